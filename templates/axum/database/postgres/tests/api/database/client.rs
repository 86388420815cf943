//! The variables of PostgreSQL's own clients, which say what the URL leaves out.

use super::TestDatabase;
use crate::process::Process;

#[tokio::test]
async fn a_variable_of_the_client_that_cannot_be_used_is_a_mistake_like_any_other() {
    let database = TestDatabase::create().await;
    let variables = [
        ("HTTP_ADDR", "nowhere"),
        ("PGPORT", "many"),
        ("PGSSLMODE", "verify_full"),
        ("PGSSLROOTCERT", "no/such/file"),
    ];
    let export = "export PGPASSWORD=\"$(printf 'hunter2\\377')\"";
    let end = Process::start_under(export, "serve", &database, &variables).end().await;
    assert_eq!(end.code, Some(1));
    for (name, _) in variables.into_iter().chain([("PGPASSWORD", "")]) {
        assert!(end.errors.contains(&format!("\n  {name}: ")), "{name} in {}", end.errors);
    }
    assert!(!end.errors.contains("hunter2"), "{}", end.errors);
}
