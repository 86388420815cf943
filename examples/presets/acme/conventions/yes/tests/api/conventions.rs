//! The API keeps Acme's conventions, as far as its description shows them.

use heck::ToSnakeCase;
use serde_json::Value;

use crate::app::TestApp;

async fn description() -> Value {
    TestApp::start().await.get("/openapi.json").await.json(200)
}

/// The entries of an object, none if it is not there.
fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

#[tokio::test]
async fn every_field_is_in_snake_case() {
    let description = description().await;
    let mut fields = 0;
    for (schema, definition) in entries(&description["components"]["schemas"]) {
        for (field, _) in entries(&definition["properties"]) {
            assert_eq!(*field, field.to_snake_case(), "of {schema}");
            fields += 1;
        }
    }
    assert!(fields > 0, "{description}");
}

#[tokio::test]
async fn every_operation_says_what_it_does_and_how_it_fails() {
    let description = description().await;
    let mut operations = 0;
    for (path, methods) in entries(&description["paths"]) {
        for (method, operation) in entries(methods).filter(|(_, it)| it["responses"].is_object()) {
            let says_what =
                operation["summary"].is_string() || operation["description"].is_string();
            assert!(says_what, "{method} {path}");
            assert!(operation["operationId"].is_string(), "{method} {path}");
            let fails =
                entries(&operation["responses"]).any(|(status, _)| status >= &"400".to_owned());
            assert!(fails || !path.starts_with("/v1/"), "{method} {path}");
            operations += 1;
        }
    }
    assert!(operations > 0, "{description}");
}
