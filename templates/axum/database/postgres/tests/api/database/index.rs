//! Migrations that wait for each other.

use sqlx::Executor;
use sqlx::migrate::Migrate;

use super::TestDatabase;
use crate::process::Process;

#[tokio::test]
async fn an_index_is_built_concurrently_while_another_process_waits_to_migrate() {
    let database = TestDatabase::create().await;
    database.execute("CREATE TABLE elsewhere (id BIGINT)").await;
    let mut migrating = database.connect().await;
    migrating.lock().await.expect("no other process migrates");
    let mut waiting = Process::start("migrate", &database, &[]);
    waiting.logged("waiting for another process that migrates the database").await;
    let index = "CREATE INDEX CONCURRENTLY elsewhere_id ON elsewhere (id)";
    migrating.execute(index).await.expect("no deadlock");
    migrating.unlock().await.expect("it was locked");
    let end = waiting.end().await;
    assert_eq!(end.code, Some(0), "{}", end.errors);
}
