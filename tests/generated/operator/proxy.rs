//! What stands between a service and one of its servers, and can be in the way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ureq::http::Uri;

/// Hands on what both sides say. It ends with the process.
pub struct Proxy {
    address: SocketAddr,
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    /// How long each piece from the server takes, in ms.
    delay: AtomicU64,
    /// Whether the server is out of reach.
    is_cut: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// In front of the server of this URL, which has `port` unless it says another one.
    pub fn start(url: &str, port: u16) -> Proxy {
        let url: Uri = url.parse().unwrap();
        let server = (
            url.host().unwrap().to_owned(),
            url.port_u16().unwrap_or(port),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            address: listener.local_addr().unwrap(),
            way: Arc::default(),
        };
        let way = Arc::clone(&proxy.way);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if way.is_cut.load(Ordering::Relaxed) {
                    continue;
                }
                let server = TcpStream::connect(&server).expect("the server");
                // What waits to be sent together would be a delay of its own.
                server.set_nodelay(true).unwrap();
                client.set_nodelay(true).unwrap();
                let copy = |stream: &TcpStream| stream.try_clone().unwrap();
                let both = [copy(&client), copy(&server)];
                way.open.lock().unwrap().extend(both);
                let (from_client, to_server) = (copy(&client), copy(&server));
                thread::spawn(move || pump(from_client, to_server, || Duration::ZERO));
                let way = Arc::clone(&way);
                let delay = move || Duration::from_millis(way.delay.load(Ordering::Relaxed));
                thread::spawn(move || pump(server, client, delay));
            }
        });
        proxy
    }

    /// The same URL by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        let url: Uri = url.parse().unwrap();
        let authority = url.authority().unwrap().as_str();
        let user = authority.split_once('@').map(|(user, _)| user);
        let user = user.map_or_else(String::new, |user| format!("{user}@"));
        let path = url.path_and_query().map_or("", |path| path.as_str());
        format!("{}://{user}{}{path}", url.scheme().unwrap(), self.address)
    }

    /// Has each piece from the server take so long.
    pub fn delay(&self, delay: Duration) {
        let millis = delay.as_millis().try_into().unwrap();
        self.way.delay.store(millis, Ordering::Relaxed);
    }

    /// Ends all connections, and takes no new ones until it is mended.
    pub fn cut(&self) {
        self.way.is_cut.store(true, Ordering::Relaxed);
        for stream in self.way.open.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn mend(&self) {
        self.way.is_cut.store(false, Ordering::Relaxed);
    }
}

/// Hands on what one side says until either is done.
fn pump(mut from: TcpStream, mut to: TcpStream, delay: impl Fn() -> Duration) {
    let mut piece = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        thread::sleep(delay());
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
