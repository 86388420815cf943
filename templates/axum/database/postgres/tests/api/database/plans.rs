//! Statements that a connection has prepared before what they are about has changed.

use futures_util::future::join_all;
use serde_json::json;

use crate::app::TestApp;
use crate::{ITEMS, TABLE};

#[tokio::test]
async fn a_column_that_changes_its_type_costs_no_request() {
    let app = TestApp::with(&[("DATABASE_MIN_CONNECTIONS", "4")]).await;
    let mut seen = Vec::new();
    for name in ["ada", "bob", "eve", "joe"] {
        let created = app.create(ITEMS, &format!("{name}@example.org")).await;
        seen.push((created.json(201)["id"].as_str().expect("text").to_owned(), 1));
    }
    let change = async |(id, version): &(String, u32)| {
        let tag = format!("\"{version}\"");
        app.update(ITEMS, id, &tag, &json!({ "name": "Lovelace" })).await.json(200);
        app.list(ITEMS, "").await.json(200);
    };
    join_all(seen.iter().map(&change)).await;
    seen.iter_mut().for_each(|(_, version)| *version += 1);
    let wider = format!("ALTER TABLE {TABLE} ALTER COLUMN name TYPE varchar(300)");
    app.database.execute(wider).await;
    join_all(seen.iter().map(&change)).await;
}
