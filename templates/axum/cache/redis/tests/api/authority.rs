//! Who vouches for the cache, and where it is.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Client;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::ITEMS;
use crate::app::TestApp;
use crate::cache::{create, until_hit};
use crate::database::TestDatabase;
use crate::file::TestFile;
use crate::process::Process;
use crate::proxy::{self, Proxy};

/// For `localhost` in either family, until 2120. Nobody vouches for it but itself.
const CERTIFICATE: &str = "
MIIBbTCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDAR0ZXN0MCAX
DTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDAR0ZXN0
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3Q54hhWiElV+EtXYtVNA++7PG+kA
MVhSCiapbfTw5L1RiRgs49vXidujQH/58ZfET5JRQOJF5sCkRHF+BUvr7KNdMFsw
LAYDVR0RBCUwI4IJbG9jYWxob3N0hwR/AAABhxAAAAAAAAAAAAAAAAAAAAABMAwG
A1UdEwEB/wQCMAAwHQYDVR0OBBYEFH8IYtGFQHlh+8nk5t+lHkQEkaLIMAoGCCqG
SM49BAMCA0kAMEYCIQDiUvh/3WnCw1NYeZai/bfnXs0bGiUvTkey0jaAdc4A3AIh
AIe/rfypXj1j2OxLcbw8AzSsfHgdwSe3V7ENtThBk03Y";

const KEY: &str = "
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2WMhrcPiO9eV8t0i
63m46higsOG7ze76NFD9rGWYj6OhRANCAATdDniGFaISVX4S1di1U0D77s8b6QAx
WFIKJqlt9PDkvVGJGCzj29eJ26NAf/nxl8RPklFA4kXmwKREcX4FS+vs";

fn pem(what: &str, content: &str) -> String {
    format!("-----BEGIN {what}-----{content}\n-----END {what}-----\n")
}

/// Speaks TLS with that certificate.
fn tls() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(pem("CERTIFICATE", CERTIFICATE).as_bytes());
    let key = PrivateKeyDer::from_pem_slice(pem("PRIVATE KEY", KEY).as_bytes());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.expect("it is one")], key.expect("it is one"));
    TlsAcceptor::from(Arc::new(config.expect("they belong together")))
}

/// Listens in front of the cache, and returns the URL that leads to it from there.
async fn listen(host: impl Into<IpAddr>, tls: Option<TlsAcceptor>) -> String {
    let listener = TcpListener::bind((host.into(), 0)).await.expect("a port");
    let url = url(listener.local_addr().expect("it is bound"), tls.is_some());
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.expect("it listens");
            tokio::spawn(carry(client, tls.clone()));
        }
    });
    url
}

fn url(addr: SocketAddr, tls: bool) -> String {
    let url = proxy::url();
    let (before, _, after) = proxy::parts(&url);
    let url = format!("{before}{addr}{after}");
    if tls { url.replacen("redis:", "rediss:", 1) } else { url }
}

async fn carry(mut client: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<()> {
    let url = proxy::url();
    let (_, address, _) = proxy::parts(&url);
    let mut server = TcpStream::connect(address).await?;
    match tls {
        None => copy_bidirectional(&mut client, &mut server).await?,
        Some(tls) => copy_bidirectional(&mut tls.accept(client).await?, &mut server).await?,
    };
    Ok(())
}

#[tokio::test]
async fn an_address_of_ipv6_is_a_host_like_any_other() {
    let app = TestApp::with(&[("REDIS_URL", &listen(Ipv6Addr::LOCALHOST, None).await)]).await;
    let (id, _) = create(&app).await;
    until_hit(&app, &id).await;
}

#[tokio::test]
async fn a_cache_that_the_file_of_authorities_vouches_for_is_used() {
    let authorities = TestFile::new(pem("CERTIFICATE", CERTIFICATE));
    for host in [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        let url = listen(host, Some(tls())).await;
        let variables = [("REDIS_CA_FILE", authorities.path()), ("REDIS_URL", &url)];
        let app = TestApp::with(&variables).await;
        let (id, _) = create(&app).await;
        until_hit(&app, &id).await;
    }
}

#[tokio::test]
async fn a_cache_that_nobody_vouches_for_is_not_used() {
    let database = TestDatabase::create().await;
    let url = listen(Ipv4Addr::LOCALHOST, Some(tls())).await;
    let mut process = Process::start("serve", &database, &[("REDIS_URL", &url)]);
    let items = format!("http://{}{ITEMS}", process.serving().await);
    let warning = process.logged("the cache fails").await;
    let error = warning["error"].as_str().expect("text");
    assert!(error.contains("certificate"), "{error}");
    let client = Client::builder().no_proxy().build().expect("a client");
    let listed = client.get(items).send().await.expect("a response");
    assert_eq!(listed.status(), 200);
}

#[tokio::test]
async fn authorities_that_cannot_be_used_are_a_mistake_like_any_other() {
    let database = TestDatabase::create().await;
    let missing = TestFile::missing();
    let other = TestFile::new(CERTIFICATE);
    let odd = TestFile::new(pem("CERTIFICATE", "\nAAAA"));
    let good = TestFile::new(pem("CERTIFICATE", CERTIFICATE));
    for (file, url, name) in [
        (&missing, "rediss://localhost", "REDIS_CA_FILE"),
        (&other, "rediss://localhost", "REDIS_CA_FILE"),
        (&odd, "rediss://localhost", "REDIS_URL"),
        // It would not be asked for a certificate.
        (&good, "redis://localhost", "REDIS_URL"),
    ] {
        let variables = [("REDIS_CA_FILE", file.path()), ("REDIS_URL", url), ("HTTP_ADDR", "here")];
        let end = Process::start("serve", &database, &variables).end().await;
        assert_eq!(end.code, Some(1));
        for name in [name, "HTTP_ADDR"] {
            assert!(end.errors.contains(&format!("\n  {name}: ")), "{name} in {}", end.errors);
        }
    }
}

#[tokio::test]
async fn the_url_of_the_cache_may_come_from_a_file() {
    let proxy = Proxy::start();
    let file = TestFile::new(proxy.url() + "\n");
    let app = TestApp::with(&[("REDIS_URL", ""), ("REDIS_URL_FILE", file.path())]).await;
    let (id, _) = create(&app).await;
    until_hit(&app, &id).await;
    assert!(proxy.connections() > 0);
}

#[tokio::test]
async fn no_part_of_a_password_is_shown_when_the_cache_cannot_be_used() {
    let database = TestDatabase::create().await;
    let url = proxy::url();
    let (_, address, _) = proxy::parts(&url);
    for address in [address, "127.0.0.1:1", "nowhere.invalid"] {
        let url = format!("redis://nobody:hunter2%40swordfish%2F@{address}");
        let variables = [("REDIS_URL", url.as_str()), ("RUST_LOG", "trace")];
        let mut process = Process::start("serve", &database, &variables);
        let warning = process.logged("the cache fails").await;
        process.terminate().await;
        let end = process.end().await;
        let log = end.log.join("\n") + &warning.to_string() + &end.errors;
        for secret in ["hunter2", "swordfish"] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}
