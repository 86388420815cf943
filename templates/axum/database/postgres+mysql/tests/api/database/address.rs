//! `DATABASE_URL` means what is written in it, or is refused, and what is secret in it
//! is never shown.

use std::net::Ipv6Addr;
use std::sync::Arc;

use sqlx::ConnectOptions;

use super::proxy::Proxy;
use super::{FILES, SERVER, STRICT_TLS, TestDatabase};
use crate::ITEMS;
use crate::app::{TestApp, causes};
use crate::file::TestFile;
use crate::process::{End, Process};

/// Parts of passwords.
const SECRETS: [&str; 3] = ["hunter2", "swordfish", "71077345"];

/// Passwords of these parts, as nobody may write them into a URL.
const UNENCODED: [&str; 11] = [
    "hunter2@swordfish",
    "hunter2@",
    "hunter2/swordfish",
    "71077345/swordfish",
    "hunter2?swordfish",
    "hunter2#swordfish",
    "hunter2:swordfish",
    "/swordfish",
    "hunter2@71077345/swordfish",
    "hunter2/swordfish@71077345",
    "hunter2?swordfish=71077345&hunter2",
];

/// How such a password is written.
const ENCODED: &str = "hunter2%40swordfish%2F%3A%3F%2371077345";

/// With the scheme of the server that the tests use.
fn url(rest: &str) -> String {
    let (scheme, _) = SERVER.split_once(':').expect("a URL");
    format!("{scheme}{rest}")
}

/// What a process says that cannot start with this URL, all that it can tell.
async fn end(database: &TestDatabase, url: &str) -> End {
    let variables =
        [("DATABASE_START_TIMEOUT_MS", "300"), ("DATABASE_URL", url), ("RUST_LOG", "trace")];
    let end = Process::start("serve", database, &variables).end().await;
    assert_eq!(end.code, Some(1), "{url}");
    assert!(end.errors.contains("DATABASE_URL"), "{}", end.errors);
    for secret in SECRETS {
        let said = end.log.iter().chain([&end.errors]).find(|text| text.contains(secret));
        assert_eq!(said, None, "{url}");
    }
    end
}

#[tokio::test]
async fn a_password_that_is_not_encoded_is_refused_and_no_part_of_it_is_shown() {
    let database = TestDatabase::create().await;
    for password in UNENCODED {
        for server in ["127.0.0.1:1/name", "host", "[::1]/name?sslmode=disable"] {
            let end = end(&database, &url(&format!("://user:{password}@{server}"))).await;
            let told = end.errors.contains("\n  DATABASE_URL: percent-encode `@`");
            assert!(told, "{password}: {}", end.errors);
            assert_eq!(end.log, [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_url_that_is_not_one_is_refused_and_no_part_of_it_is_shown() {
    let database = TestDatabase::create().await;
    for rest in [
        ":user:hunter2@host/name",
        ":/user:hunter2@host/name",
        "://user:hunter2@host:swordfish/name",
        "://user:hunter2@host:71077345/name",
        "://user:hunter2@[::g]/name",
        "://user:hunter2@host/name?no_such=swordfish",
        "://user:hunter2@host/name?71077345",
        "://user:hunter2@host/name#swordfish",
        "://user:hunter2\nswordfish@host/name",
        "://user:hunter2%ff@host/name",
    ] {
        assert_eq!(end(&database, &url(rest)).await.log, [""; 0]);
    }
}

#[tokio::test]
async fn a_url_that_can_lead_nowhere_is_refused_before_it_is_tried() {
    let database = TestDatabase::create().await;
    for rest in [
        "://user%00:hunter2@host/name",
        "://user:hunter2%00@host/name",
        "://user:hunter2@host/na%00me",
        "://user:hunter2@host:0/name",
        "://user:hunter2@a%20host/name",
        "://user:hunter2@one,two/name",
        "://user:hunter2@host..example/name",
        "://user:hunter2@host/name?statement-cache-capacity=many",
        "://user:hunter2@host/name?statement-cache-capacity=1000001",
    ] {
        let end = end(&database, &url(rest)).await;
        assert!(end.errors.contains("\n  DATABASE_URL: "), "{rest}: {}", end.errors);
        assert_eq!(end.log, [""; 0], "{rest}");
    }
}

#[tokio::test]
async fn what_a_url_sets_twice_is_refused() {
    let database = TestDatabase::create().await;
    for (parameters, first, second) in [
        ("sslmode=disabled&sslmode=disabled", "sslmode", "sslmode"),
        ("sslmode=disabled&ssl-mode=required", "sslmode", "ssl-mode"),
        ("ssl-mode=disabled&ssl%6Dode=required", "ssl-mode", "sslmode"),
        ("sslcert=/no/such&ssl-ca=/no/such&ssl-cert=/no/such", "sslcert", "ssl-cert"),
        ("ssl-ca=/no/such&ssl-ca=/no/such", "ssl-ca", "ssl-ca"),
        (
            "statement-cache-capacity=1&statement-cache-capacity=2",
            "statement-cache-capacity",
            "statement-cache-capacity",
        ),
    ] {
        let url = url(&format!("://user:hunter2@host:0/name?{parameters}"));
        let variables = [("DATABASE_URL", url.as_str()), ("HTTP_ADDR", "nowhere")];
        let end = Process::start("serve", &database, &variables).end().await;
        assert_eq!(end.code, Some(1));
        let twice = format!("DATABASE_URL: `{second}`: it sets the same as `{first}` before it");
        // With all other mistakes.
        for told in [twice.as_str(), "DATABASE_URL: its port", "HTTP_ADDR"] {
            let told = format!("\n  {told}");
            assert!(end.errors.contains(&told), "{parameters}: {}", end.errors);
        }
        assert_eq!(end.log, [""; 0]);
    }
}

#[tokio::test]
async fn no_part_of_a_password_is_shown_when_a_connection_fails() {
    let database = TestDatabase::create().await;
    let network = database.network.addr;
    for server in ["127.0.0.1:1", "nowhere.invalid", &network.to_string()] {
        let end = end(&database, &url(&format!("://nobody:{ENCODED}@{server}/name"))).await;
        assert!(end.errors.contains("caused by: "), "{}", end.errors);
    }
}

#[tokio::test]
async fn an_address_of_ipv6_is_a_host_like_any_other() {
    let database = Arc::new(TestDatabase::create().await);
    let network = Proxy::on(Ipv6Addr::LOCALHOST.into(), super::addr()).await;
    let url: String = database.url().to_url_lossy().into();
    let url = url.replace(&database.network.addr.to_string(), &network.addr.to_string());
    let variables = [("DATABASE_START_TIMEOUT_MS", "2000"), ("DATABASE_URL", &url)];
    let start = || TestApp::on(Arc::clone(&database), &variables);
    let app = start().await.expect("the service starts");
    app.create(ITEMS, "ada@example.org").await.json(201);
    drop(app);
    network.refuse().await;
    let error = causes(&start().await.err().expect("it cannot be reached"));
    assert!(error.contains(&format!("`{}/", network.addr)), "{error}");
}

#[tokio::test]
async fn a_file_of_the_url_that_is_missing_or_holds_something_else_is_a_mistake_by_its_name() {
    let database = TestDatabase::create().await;
    let missing = TestFile::missing();
    let other = TestFile::new("hunter2");
    let broken = TestFile::new("-----BEGIN CERTIFICATE-----\nhunter2\n");
    for name in FILES {
        for (file, reason) in [(&missing, "os error 2"), (&other, "as PEM"), (&broken, "as PEM")] {
            let path = file.path();
            let end = end(&database, &url(&format!("://host/name?{name}={path}"))).await;
            let told = end.errors.contains(&format!("\n  DATABASE_URL: `{name}`: `{path}`"));
            assert!(told && end.errors.contains(reason), "{}", end.errors);
            assert_eq!(end.log, [""; 0]);
        }
        // It is not a path, and not shown as one.
        end(&database, &url(&format!("://host/name?{name}=-----BEGIN KEY-----hunter2"))).await;
    }
}

#[tokio::test]
async fn files_that_hold_what_they_should_are_no_mistake() {
    let database = Arc::new(TestDatabase::create().await);
    let pem = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let certificate = TestFile::new(pem("CERTIFICATE").repeat(2));
    let key = TestFile::new(pem("PRIVATE KEY"));
    let [_, certificate_name, key_name] = FILES;
    // Without TLS they are not used.
    let url = database.url_by_way_of(database.network.addr);
    let url = format!("{url}&{certificate_name}={}&{key_name}={}", certificate.path(), key.path(),);
    TestApp::on(database, &[("DATABASE_URL", &url)]).await.expect("the service starts");
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_and_a_key_without_its_certificate() {
    let database = TestDatabase::create().await;
    let pem = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let [_, certificate, key] = FILES;
    for (name, content, missing) in
        [(certificate, pem("CERTIFICATE"), "key"), (key, pem("PRIVATE KEY"), "certificate")]
    {
        let file = TestFile::new(content);
        let end = end(&database, &url(&format!("://host/name?{name}={}", file.path()))).await;
        let told = format!("\n  DATABASE_URL: `{name}`: there is no {missing} for it; name one");
        assert!(end.errors.contains(&told), "{}", end.errors);
        assert_eq!(end.log, [""; 0]);
    }
}

#[tokio::test]
async fn authorities_that_nobody_would_ask_are_refused() {
    let database = Arc::new(TestDatabase::create().await);
    let [name, ..] = FILES;
    let file = TestFile::new("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let parameter = format!("{name}={}", file.path());
    let url = url(&format!("://host/name?{parameter}"));
    let end = end(&database, &url).await;
    assert!(end.errors.contains(&format!("\n  DATABASE_URL: `{name}` has no ")), "{}", end.errors);
    let strict: String = database.url().ssl_mode(STRICT_TLS).to_url_lossy().into();
    let url = format!("{strict}&{parameter}");
    let error = causes(&TestApp::on(database, &[("DATABASE_URL", &url)]).await.err().expect("TLS"));
    assert!(error.contains("cannot open"), "{error}");
}
