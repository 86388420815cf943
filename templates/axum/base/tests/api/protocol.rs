//! What is the same for every route: how requests are named and refused, and how
//! the API describes itself.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::TestApp;
use crate::client::Answer;

#[tokio::test]
async fn a_route_that_there_is_not_is_a_problem() {
    let app = TestApp::start().await;
    for path in ["/", "/v1", "/v1/nothing", "/openapi.json/"] {
        app.get(path).await.problem(404);
    }
}

#[tokio::test]
async fn a_method_that_a_route_has_not_is_refused_with_those_that_it_has() {
    let app = TestApp::start().await;
    for (path, allowed) in documented(&app).await {
        let answer = app.send(app.request("BREW", &path)).await;
        answer.problem(405);
        assert_eq!(allow(&answer), allowed, "{path}");
    }
}

#[tokio::test]
async fn the_description_names_the_routes_that_there_are() {
    let app = TestApp::start().await;
    for (path, methods) in documented(&app).await {
        for method in methods {
            let status = app.send(app.request(&method, &path)).await.status;
            assert_ne!(status, 405, "{method} {path}");
        }
    }
    // What was not found is an item, not a route.
    let unmatched = [("http_route", "unmatched")];
    assert_eq!(app.metric("http_server_request_duration_seconds_count", &unmatched).await, 0.0);
}

#[tokio::test]
async fn the_description_leads_nowhere_else() {
    let app = TestApp::start().await;
    let description = app.get("/openapi.json").await;
    assert_eq!(description.header("content-type"), "application/json");
    assert!(description.json(200)["openapi"].as_str().is_some_and(|it| it.starts_with("3.")));
    let mut missing = BTreeSet::new();
    references(&description.json(200), &description.json(200), &mut missing);
    assert_eq!(missing, BTreeSet::new(), "references that point at nothing");

    let page = app.get("/docs").await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.contains("/openapi.json"));
    for elsewhere in ["http:", "https:", "src=", "@import", "\"//"] {
        assert!(!page.body.contains(elsewhere), "{elsewhere}");
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let app = TestApp::start().await;
    for (version, hosts, status) in [
        ("1.1", "Host: example.org\r\n", 200),
        ("1.1", "Host: [::1]:8080\r\n", 200),
        ("1.1", "Host: a:65535\r\n", 200),
        ("1.0", "", 200),
        ("1.1", "", 400),
        ("1.1", "Host:\r\n", 400),
        ("1.1", "Host: a\r\nHost: a\r\n", 400),
        ("1.1", "Host: a, b\r\n", 400),
        ("1.1", "Host: a b\r\n", 400),
        ("1.1", "Host: user@a\r\n", 400),
        ("1.1", "Host: aa@a:80\r\n", 400),
        ("1.1", "Host: [::1]x\r\n", 400),
        ("1.1", "Host: [zz]\r\n", 400),
        ("1.1", "Host: a:+80\r\n", 400),
        ("1.1", "Host: a:65536\r\n", 400),
        ("1.1", "Host: a/b\r\n", 400),
        ("1.1", "Host: a:port\r\n", 400),
    ] {
        let mut connection = app.connect().await;
        connection.send(&format!("GET /livez HTTP/{version}\r\n{hosts}\r\n")).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, status, "{hosts}");
        if status == 400 {
            assert_eq!(answer.problem(400)["code"], "malformed");
        }
    }
}

#[tokio::test]
async fn probes_answer() {
    let app = TestApp::start().await;
    for path in ["/livez", "/health"] {
        let answer = app.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    }
    let ready = app.get("/readyz").await.json(200);
    assert_eq!(ready["status"], "ready");
    assert_eq!(ready["dependencies"][0]["name"], "database");
    assert_eq!(ready["dependencies"][0]["status"], "up");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    let get = app.get("/openapi.json").await;
    let head = app.send(app.request("HEAD", "/openapi.json")).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), get.header("content-type"));
    assert_eq!(head.body, "");
}

#[tokio::test]
async fn a_request_keeps_the_name_that_its_client_gave_it() {
    let app = TestApp::start().await;
    let longest = "x".repeat(64);
    for id in ["a", "0199-Abc_d.9", &longest] {
        let answer = app.send(app.request("GET", "/livez").header("x-request-id", id)).await;
        assert_eq!(answer.header("x-request-id"), id);
    }
}

#[tokio::test]
async fn a_name_that_is_not_fit_for_a_log_is_replaced() {
    let app = TestApp::start().await;
    let too_long = "x".repeat(65);
    let mut names = BTreeSet::new();
    for id in ["", "two words", "a\"b", "a\tb", &too_long] {
        let answer = app.send(app.request("GET", "/nowhere").header("x-request-id", id)).await;
        answer.problem(404);
        assert_ne!(answer.header("x-request-id"), id);
        names.insert(answer.header("x-request-id").to_owned());
    }
    assert_eq!(names.len(), 5, "each gets a name of its own");
}

/// The paths that the description lists, with an id where one belongs, and
/// the methods that it lists for each.
async fn documented(app: &TestApp) -> Vec<(String, BTreeSet<String>)> {
    let description = app.get("/openapi.json").await.json(200);
    let paths = description["paths"].as_object().expect("paths");
    let methods = |of: &Value| {
        let of = of.as_object().expect("methods");
        of.keys().map(|method| method.to_uppercase()).collect()
    };
    let documented: Vec<_> = paths
        .iter()
        .map(|(path, of)| (path.replace("{id}", &uuid::Uuid::now_v7().to_string()), methods(of)))
        .collect();
    assert!(!documented.is_empty());
    documented
}

/// What `Allow` lists, but for HEAD, which comes with GET.
fn allow(answer: &Answer) -> BTreeSet<String> {
    let methods = answer.header("allow").split(',').map(str::trim);
    methods.filter(|method| *method != "HEAD").map(str::to_owned).collect()
}

/// Collects the references in `part` that point at nothing in `whole`.
fn references(whole: &Value, part: &Value, missing: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().and_then(|text| text.strip_prefix('#')) {
                    Some(pointer) if name == "$ref" && whole.pointer(pointer).is_none() => {
                        missing.insert(pointer.to_owned());
                    }
                    _ => references(whole, value, missing),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(whole, item, missing)),
        _ => {}
    }
}
