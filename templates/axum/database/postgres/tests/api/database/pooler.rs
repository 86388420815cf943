//! A pooler between the service and the server, in the mode in which its clients
//! take turns on a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::TestDatabase;
use super::wire::{From, read};
use crate::process::Process;

/// Listens on a port of its own.
struct Pooler {
    addr: SocketAddr,
    running: JoinHandle<()>,
}

impl Pooler {
    async fn start() -> Pooler {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        Pooler { addr, running: tokio::spawn(listen(listener)) }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// The connection that all clients share.
type Shared = Arc<Mutex<Option<TcpStream>>>;

async fn listen(listener: TcpListener) {
    let shared = Shared::default();
    loop {
        let (client, _) = listener.accept().await.expect("it listens");
        tokio::spawn(serve(client, Arc::clone(&shared)));
    }
}

/// Each client logs in for itself, and the connection of the first one serves all.
async fn serve(mut client: TcpStream, shared: Shared) -> io::Result<()> {
    let mut server = TcpStream::connect(super::addr()).await?;
    let login = read(From::Client, true, &mut client).await?;
    pass(login, &mut client, &mut server).await?;
    shared.lock().await.get_or_insert(server);
    loop {
        let message = read(From::Client, false, &mut client).await?;
        if message[0] == b'X' {
            return Ok(());
        }
        let mut shared = shared.lock().await;
        let server = shared.as_mut().expect("somebody has logged in");
        pass(message, &mut client, server).await?;
    }
}

/// Passes on a message and all that follows it, until the server is ready for more.
async fn pass(
    mut message: Vec<u8>,
    client: &mut TcpStream,
    server: &mut TcpStream,
) -> io::Result<()> {
    loop {
        server.write_all(&message).await?;
        loop {
            let response = read(From::Server, false, server).await?;
            client.write_all(&response).await?;
            match response[..] {
                [b'Z', ..] => return Ok(()),
                // It wants the password, or more of it.
                [b'R', _, _, _, _, 0, 0, 0, 3 | 5 | 10 | 11, ..] => break,
                _ => {}
            }
        }
        message = read(From::Client, false, client).await?;
    }
}

#[tokio::test]
async fn a_pooler_that_lends_a_connection_for_a_transaction_is_refused() {
    let database = TestDatabase::create().await;
    let pooler = Pooler::start().await;
    let url = database.url_by_way_of(pooler.addr);
    for command in ["serve", "migrate"] {
        let end = Process::start(command, &database, &[("DATABASE_URL", &url)]).end().await;
        let errors = end.errors;
        assert_eq!(end.code, Some(1), "{errors}");
        let at = format!("{}/{}", pooler.addr, database.name);
        assert!(errors.contains(&at) && errors.contains("session mode"), "{errors}");
    }
}
