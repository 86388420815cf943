//! What a server, or its administrator, has set for all new connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::TestDatabase;
use super::wire::{From, read};
use crate::app::TestApp;
use crate::process::Process;
use crate::{ITEMS, TABLE};

/// As bad as it gets: nothing is committed unless told to, each commit begins another
/// transaction, `BEGIN` means something else, and errors are told in another language.
const DEFAULTS: &str = "SET autocommit = 0, completion_type = 1, lc_messages = 'ja_JP'
                        /*M! , sql_mode = 'ORACLE' */";

/// Listens in front of the server; each connection begins with this statement.
async fn listen(sql: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.expect("it listens");
            tokio::spawn(connect(client, sql));
        }
    });
    addr
}

/// Puts the statement between the login and all that follows it.
async fn connect(mut client: TcpStream, sql: &str) -> io::Result<()> {
    const OK: u8 = 0;
    let mut server = TcpStream::connect(super::addr()).await?;
    client.write_all(&read(From::Server, true, &mut server).await?).await?;
    let logged_in = loop {
        server.write_all(&read(From::Client, false, &mut client).await?).await?;
        let response = read(From::Server, false, &mut server).await?;
        match response[4] {
            OK => break response,
            _ => client.write_all(&response).await?,
        }
    };
    let length = u8::try_from(sql.len() + 1).expect("it is short");
    server.write_all(&[&[length, 0, 0, 0, 3], sql.as_bytes()].concat()).await?;
    let done = read(From::Server, false, &mut server).await?;
    assert_eq!(done[4], OK, "{}", String::from_utf8_lossy(&done));
    client.write_all(&logged_in).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test]
async fn what_is_acknowledged_is_committed_whatever_is_set_for_new_connections() {
    let database = Arc::new(TestDatabase::create().await);
    let url = database.url_by_way_of(listen(DEFAULTS).await);
    let app = TestApp::on(Arc::clone(&database), &[("DATABASE_URL", &url)]).await;
    let app = app.expect("the service starts");
    let stored = async || {
        let rows = format!("SELECT count(*) FROM {TABLE}");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(rows));
        let rows: i64 = rows.fetch_one(&mut database.connect().await).await.expect("it works");
        rows
    };
    for n in 1..=3 {
        let email = format!("{n}@example.org");
        let key = format!("key-{n}");
        let created = app.create_with_key(ITEMS, &email, &key).await;
        let id = created.json(201)["id"].as_str().expect("text").to_owned();
        assert_eq!(stored().await, 1);
        let name = serde_json::json!({ "name": "Eve" });
        app.update(ITEMS, &id, created.header("etag"), &name).await.json(200);
        app.create(ITEMS, &email).await.problem(409);
        assert_eq!(app.delete(ITEMS, &id).await.status, 204);
        assert_eq!(stored().await, 0);
        let id = app.create(ITEMS, &email).await.json(201)["id"].as_str().expect("text").to_owned();
        assert_eq!(stored().await, 1);
        assert_eq!(app.delete(ITEMS, &id).await.status, 204);
    }
}

#[tokio::test]
async fn text_comes_back_as_it_was_stored_whatever_character_set_is_set_for_new_connections() {
    const NAME: &str = "Zo\u{eb} \u{1f980}";
    let database = Arc::new(TestDatabase::create().await);
    let addr = listen("SET NAMES latin1").await;
    for url in [database.url_by_way_of(addr), database.url_by_way_of(database.network.addr)] {
        let app = TestApp::on(Arc::clone(&database), &[("DATABASE_URL", &url)]).await;
        let app = app.expect("the service starts");
        let body = serde_json::json!({ "email": "zoe@example.org", "name": NAME });
        let created = app.post(ITEMS, &body).await;
        let id = created.json(201)["id"].as_str().expect("text").to_owned();
        assert_eq!(app.read(ITEMS, &id).await.json(200)["name"], NAME);
        // It is stored as what it is, and not as what comes back as the same.
        let stored = format!("SELECT name FROM {TABLE} WHERE char_length(name) = 5");
        let stored = sqlx::query_scalar(sqlx::AssertSqlSafe(stored));
        let stored: String = stored.fetch_one(&mut database.connect().await).await.expect("a row");
        assert_eq!(stored, NAME);
        assert_eq!(app.delete(ITEMS, &id).await.status, 204);
    }
}

#[tokio::test]
async fn a_url_with_another_character_set_or_time_zone_is_refused() {
    let database = TestDatabase::create().await;
    for parameter in ["charset=latin1", "charset=utf8", "time-zone=%2B02:00", "timezone=SYSTEM"] {
        let url = format!("mysql://root@127.0.0.1/name?{parameter}");
        let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains("\n  DATABASE_URL: "), "{}", end.errors);
        assert_eq!(end.log, [""; 0]);
    }
}

#[tokio::test]
async fn a_url_that_leaves_out_the_database_or_the_way_to_it_is_refused() {
    let database = TestDatabase::create().await;
    for url in ["mysql://root@localhost", "mysql://root@localhost/", "mysql://root@%2Ftmp/name"] {
        let end = Process::start("serve", &database, &[("DATABASE_URL", url)]).end().await;
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains("\n  DATABASE_URL: "), "{url}: {}", end.errors);
        assert_eq!(end.log, [""; 0]);
    }
}

#[tokio::test]
async fn a_socket_that_is_none_is_refused() {
    let database = TestDatabase::create().await;
    for path in ["", "/tmp", "Cargo.toml"] {
        let url = format!("mysql://root@localhost/name?socket={path}");
        let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
        assert_eq!(end.code, Some(1));
        let told = end.errors.contains("\n  DATABASE_URL: `socket`: it is not the path of a");
        assert!(told, "{path}: {}", end.errors);
        assert_eq!(end.log, [""; 0]);
    }
}
