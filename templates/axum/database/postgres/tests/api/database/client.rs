//! What PostgreSQL's own clients are told in the URL, and in variables that say what the
//! URL leaves out.

use std::sync::Arc;

use super::TestDatabase;
use crate::app::TestApp;
use crate::file::TestFile;
use crate::process::Process;

#[tokio::test]
async fn a_session_has_the_options_and_the_name_that_the_url_gives_it() {
    const NAMES: &str = "
        SELECT DISTINCT application_name FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let database = Arc::new(TestDatabase::create().await);
    let url = database.url_by_way_of(database.network.addr);
    let url = format!("{url}&options[lock_timeout]=5s&application_name=ada");
    let app = TestApp::on(Arc::clone(&database), &[("DATABASE_URL", &url)]).await;
    let _app = app.expect("the service starts");
    assert_eq!(database.texts(NAMES).await, ["ada"]);

    let url = format!("{url}&options[work_mem=1MB");
    let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
    assert!(
        end.errors.contains("DATABASE_URL: it has a parameter that is none of "),
        "{}",
        end.errors
    );
}

#[tokio::test]
async fn a_variable_of_the_client_that_cannot_be_used_is_a_mistake_like_any_other() {
    let database = TestDatabase::create().await;
    let variables = [
        ("HTTP_ADDR", "nowhere"),
        ("PGHOST", "one,two"),
        ("PGHOSTADDR", "localhost"),
        ("PGPORT", "0"),
        ("PGSSLMODE", "verify_full"),
        ("PGSSLKEY", "no/such/file"),
        // Without its last line it is taken for a path.
        ("PGSSLROOTCERT", "-----BEGIN CERTIFICATE-----\nhunter2"),
    ];
    let export = "export PGPASSWORD=\"$(printf 'hunter2\\377')\"";
    let end = Process::start_under(export, "serve", &database, &variables).end().await;
    assert_eq!(end.code, Some(1));
    for (name, _) in variables.into_iter().chain([("PGPASSWORD", "")]) {
        assert!(end.errors.contains(&format!("\n  {name}: ")), "{name} in {}", end.errors);
    }
    assert!(!end.errors.contains("hunter2"), "{}", end.errors);
}

#[tokio::test]
async fn a_certificate_goes_with_its_key_wherever_each_of_them_is_named() {
    const REACHED: &str = "error: cannot reach the database";
    let database = TestDatabase::create().await;
    let pem = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let inline = pem("CERTIFICATE");
    let [certificate, key] = [&inline, &pem("PRIVATE KEY")].map(TestFile::new);
    let url = |parameters: &str| format!("postgres://127.0.0.1:1/name?{parameters}");
    let with_certificate = url(&format!("sslcert={}", certificate.path()));
    let with_key = url(&format!("ssl-key={}", key.path()));
    let with_mistake = "postgres://user:1@2@127.0.0.1:1/name?sslkey=/key";
    for (certificate, key, url, told) in [
        (certificate.path(), "", url("").as_str(), "  PGSSLCERT: there is no key for it; name one"),
        (&inline, "", &url(""), "  PGSSLCERT: there is no key for it; name one"),
        (&inline, "", "", "  PGSSLCERT: there is no key for it; name one"),
        ("", key.path(), &url(""), "  PGSSLKEY: there is no certificate for it; name one"),
        ("", key.path(), &with_key, "  DATABASE_URL: `ssl-key`: there is no certificate for it"),
        ("", key.path(), &with_certificate, REACHED),
        (certificate.path(), "", &with_key, REACHED),
        (&inline, key.path(), &url(""), REACHED),
        // Nobody knows what this one names.
        (&inline, "", with_mistake, "error: the configuration cannot be used:\n  DATABASE_URL: "),
    ] {
        let variables = [
            ("PGSSLCERT", certificate),
            ("PGSSLKEY", key),
            ("DATABASE_URL", url),
            ("DATABASE_START_TIMEOUT_MS", "300"),
        ];
        let end = Process::start("serve", &database, &variables).end().await;
        assert_eq!(end.code, Some(1));
        assert!(end.errors.contains(told), "{variables:?}: {}", end.errors);
        let missing = end.errors.contains("there is no ");
        assert_eq!(missing, told.contains("there is no "), "{variables:?}: {}", end.errors);
        assert!(!end.errors.contains("AAAA"), "{}", end.errors);
    }
}

#[tokio::test]
async fn a_host_and_its_address_are_not_told_together() {
    let database = TestDatabase::create().await;
    for (first, second) in [("host", "hostaddr"), ("hostaddr", "host")] {
        let url = format!("postgres:///name?{first}=127.0.0.1&{second}=127.0.0.1");
        let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
        assert_eq!(end.code, Some(1));
        let told = format!("\n  DATABASE_URL: `{second}`: it sets the same as `{first}` before it");
        assert!(end.errors.contains(&told), "{}", end.errors);
    }
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_of_a_socket_is_refused() {
    let database = TestDatabase::create().await;
    let file = TestFile::new("");
    let path = file.path();
    let encoded = path.replace('/', "%2F");
    for (name, variables) in [
        ("DATABASE_URL: `host`", [("DATABASE_URL", format!("postgres:///name?host={path}"))]),
        ("DATABASE_URL: its host", [("DATABASE_URL", format!("postgres://{encoded}/name"))]),
        ("PGHOST", [("PGHOST", path.to_owned())]),
    ] {
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let end = Process::start("serve", &database, &variables).end().await;
        assert_eq!(end.code, Some(1));
        let told = format!("\n  {name}: it is not the directory of a socket\n");
        assert!(end.errors.contains(&told), "{}", end.errors);
    }
}

#[tokio::test]
async fn a_parameter_that_cannot_be_used_is_refused_by_its_name() {
    let database = TestDatabase::create().await;
    for (name, value) in
        [("host", ""), ("host", "a b"), ("hostaddr", "localhost"), ("port", "0"), ("port", "many")]
    {
        let url = format!("postgres://host/name?{name}={value}");
        let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
        assert_eq!(end.code, Some(1));
        let told = end.errors.contains(&format!("\n  DATABASE_URL: `{name}`: "));
        assert!(told, "{name}: {}", end.errors);
    }
}

#[tokio::test]
async fn a_path_that_is_too_long_for_a_socket_is_not_tried_again() {
    let database = TestDatabase::create().await;
    let url = format!("postgres:///name?host=/{}", "directory/".repeat(20));
    let end = Process::start("serve", &database, &[("DATABASE_URL", &url)]).end().await;
    assert_eq!(end.code, Some(1));
    assert!(end.errors.contains("cannot open the database of DATABASE_URL"), "{}", end.errors);
    assert_eq!(end.log, [""; 0]);
}
