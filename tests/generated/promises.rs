//! What a service promises to those who call it and to those who run it, asked of it over the network.

use scaffold::core::preset::answer::Combination;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::{Answer, Service};
use crate::{Check, Subject, pooler, volume};

/// The promises that a project with these options makes.
pub fn of(options: &Combination) -> Vec<Check> {
    let has = |choice: &str, option: &str| options.has(choice, option);
    let more = [
        (has("observability", "prometheus"), SCRAPED),
        (has("database", "sqlite"), volume::ALL),
        (
            has("database", "postgres") && has("cache", "none"),
            pooler::ALL,
        ),
    ];
    let more = more
        .into_iter()
        .filter_map(|(has, checks)| has.then_some(checks));
    [COMMON, NAMED]
        .into_iter()
        .chain(more)
        .flatten()
        .copied()
        .collect()
}

/// Those of every project.
const COMMON: &[Check] = &[
    ("an_email_is_taken_once", an_email_is_taken_once),
    (
        "a_change_needs_the_version_that_was_seen",
        a_change_needs_the_version_that_was_seen,
    ),
    ("what_was_deleted_is_gone", what_was_deleted_is_gone),
    (
        "every_invalid_field_is_pointed_at",
        every_invalid_field_is_pointed_at,
    ),
    ("what_is_not_json_is_refused", what_is_not_json_is_refused),
    ("a_body_too_large_is_refused", a_body_too_large_is_refused),
    (
        "an_unknown_route_is_a_problem_too",
        an_unknown_route_is_a_problem_too,
    ),
    (
        "a_wrong_method_is_told_the_right_ones",
        a_wrong_method_is_told_the_right_ones,
    ),
    (
        "half_a_request_head_is_not_waited_for",
        half_a_request_head_is_not_waited_for,
    ),
    (
        "half_a_body_is_not_waited_for",
        half_a_body_is_not_waited_for,
    ),
    ("probes_answer", probes_answer),
    (
        "the_api_describes_itself_without_a_network",
        the_api_describes_itself_without_a_network,
    ),
    (
        "every_request_is_a_line_in_the_log",
        every_request_is_a_line_in_the_log,
    ),
    ("a_request_survives_sigterm", a_request_survives_sigterm),
    (
        "all_mistakes_in_the_environment_are_told_at_once",
        all_mistakes_in_the_environment_are_told_at_once,
    ),
];

/// Those whose wording depends on what the project and its resource are called.
pub const NAMED: &[Check] = &[
    ("what_was_created_can_be_read", what_was_created_can_be_read),
    ("a_list_is_read_page_by_page", a_list_is_read_page_by_page),
];

/// Those of a project that shows its metrics.
const SCRAPED: &[Check] = &[(
    "a_scrape_tells_of_the_requests_before_it",
    a_scrape_tells_of_the_requests_before_it,
)];

fn ada() -> Value {
    json!({"email": "ada@example.com", "name": "Ada"})
}

fn create(service: &Service, subject: &Subject, body: &Value) -> Answer {
    service.post(subject.path, body).expect(201)
}

fn what_was_created_can_be_read(subject: &Subject) {
    let service = subject.start(&[]);
    let created = create(&service, subject, &ada());
    let location = created.header("location");
    assert_eq!(
        location,
        format!(
            "{}/{}",
            subject.path,
            created.json()["id"].as_str().unwrap()
        )
    );

    let read = service.get(location).expect(200);
    assert_eq!(read.json(), created.json());
    assert_eq!(read.header("etag"), created.header("etag"));
    assert_eq!(
        (&read.json()["email"], &read.json()["name"]),
        (&json!("ada@example.com"), &json!("Ada"))
    );
}

fn a_list_is_read_page_by_page(subject: &Subject) {
    let service = subject.start(&[]);
    let emails = ["ada@example.com", "bob@example.com", "cleo@example.com"];
    for email in emails {
        create(
            &service,
            subject,
            &json!({"email": email, "name": "Somebody"}),
        );
    }
    let first = service
        .get(&format!("{}?limit=2", subject.path))
        .expect(200)
        .json();
    let cursor = first["next"].as_str().unwrap();
    let second = service
        .get(&format!("{}?limit=2&cursor={cursor}", subject.path))
        .expect(200)
        .json();
    assert!(second["next"].is_null(), "{second}");

    let items = [&first, &second]
        .map(|page| page["items"].as_array().unwrap().clone())
        .concat();
    let listed: Vec<_> = items
        .iter()
        .map(|item| item["email"].as_str().unwrap())
        .collect();
    assert_eq!(listed, emails);

    service
        .get(&format!("{}?cursor=forged", subject.path))
        .expect_problem(400);
    service
        .get(&format!("{}?limit=101", subject.path))
        .expect_problem(400);
}

fn an_email_is_taken_once(subject: &Subject) {
    let service = subject.start(&[]);
    create(&service, subject, &ada());
    service
        .post(
            subject.path,
            &json!({"email": "ADA@example.com", "name": "Another"}),
        )
        .expect_problem(409);
}

fn a_change_needs_the_version_that_was_seen(subject: &Subject) {
    let service = subject.start(&[]);
    let created = create(&service, subject, &ada());
    let (account, seen) = (created.header("location"), created.header("etag"));
    let change = json!({"name": "Ada Lovelace"});
    let patch = |headers: &[(&str, &str)]| service.send("PATCH", account, headers, &change);

    patch(&[]).expect_problem(428);
    let changed = patch(&[("if-match", seen)]).expect(200);
    assert_eq!(changed.json()["name"], "Ada Lovelace");
    assert_ne!(changed.header("etag"), seen);
    patch(&[("if-match", seen)]).expect_problem(412);

    // Twice, so that a cache has its chance to be wrong.
    for _ in 0..2 {
        assert_eq!(service.get(account).expect(200).json(), changed.json());
    }
}

fn what_was_deleted_is_gone(subject: &Subject) {
    let service = subject.start(&[]);
    let created = create(&service, subject, &ada());
    let account = created.header("location");
    service.get(account).expect(200);
    service.send_text("DELETE", account, &[], "").expect(204);
    service.get(account).expect_problem(404);
    service
        .send_text("DELETE", account, &[], "")
        .expect_problem(404);
}

fn every_invalid_field_is_pointed_at(subject: &Subject) {
    let service = subject.start(&[]);
    let pointers = |body: &Value| {
        let problem = service.post(subject.path, body).expect_problem(422);
        let errors = problem["errors"]
            .as_array()
            .unwrap_or_else(|| panic!("{problem}"));
        let pointer = |error: &Value| error["pointer"].as_str().unwrap().to_owned();
        errors.iter().map(pointer).collect::<Vec<_>>()
    };
    assert_eq!(
        pointers(&json!({"email": "ada", "name": ""})),
        ["/email", "/name"]
    );
    assert_eq!(
        pointers(&json!({"email": "ada@example.com", "name": "Ada", "admin": true})),
        ["/admin"]
    );
}

fn what_is_not_json_is_refused(subject: &Subject) {
    let service = subject.start(&[]);
    let post =
        |kind, body| service.send_text("POST", subject.path, &[("content-type", kind)], body);
    post("application/json", "{").expect_problem(400);
    post("text/plain", &ada().to_string()).expect_problem(415);
    service
        .get(&format!("{}/not-an-id", subject.path))
        .expect_problem(400);
}

fn a_body_too_large_is_refused(subject: &Subject) {
    let service = subject.start(&[("HTTP_BODY_LIMIT_BYTES", "1000")]);
    service
        .post(
            subject.path,
            &json!({"email": "ada@example.com", "name": "a".repeat(1000)}),
        )
        .expect_problem(413);
}

fn an_unknown_route_is_a_problem_too(subject: &Subject) {
    let service = subject.start(&[]);
    let problem = service.get("/no/such/route").expect_problem(404);
    assert!(problem["request_id"].is_string(), "{problem}");
}

fn a_wrong_method_is_told_the_right_ones(subject: &Subject) {
    let service = subject.start(&[]);
    let answer = service
        .send_text("DELETE", subject.path, &[], "")
        .expect(405);
    let mut allowed: Vec<_> = answer.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    answer.expect_problem(405);
}

fn half_a_request_head_is_not_waited_for(subject: &Subject) {
    let service = subject.start(&[("HTTP_HEADER_TIMEOUT_MS", "300")]);
    let mut slow = service.connect();
    slow.write(&format!("GET {} HTTP/1.1\r\nhost: lo", subject.path));
    let since = Instant::now();
    slow.read_to_end();
    assert!(
        since.elapsed() < Duration::from_secs(3),
        "closed after {:?}",
        since.elapsed()
    );
}

fn half_a_body_is_not_waited_for(subject: &Subject) {
    let service = subject.start(&[("HTTP_BODY_TIMEOUT_MS", "300")]);
    let mut slow = service.connect();
    slow.write(&halves(subject.path).0);
    let answer = slow.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

/// A request that creates an account, in two parts.
fn halves(path: &str) -> (String, String) {
    let body = ada().to_string();
    let (first, second) = body.split_at(body.len() / 2);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + first, second.to_owned())
}

fn probes_answer(subject: &Subject) {
    let service = subject.start(&[]);
    for probe in ["/livez", "/health", "/readyz"] {
        service.get(probe).expect(200);
    }
}

fn the_api_describes_itself_without_a_network(subject: &Subject) {
    let service = subject.start(&[]);
    let api = service.get("/openapi.json").expect(200).json();
    assert!(api["openapi"].as_str().unwrap().starts_with("3."), "{api}");
    for (path, method) in [
        (subject.path.to_owned(), "post"),
        (format!("{}/{{id}}", subject.path), "patch"),
    ] {
        assert!(
            api["paths"][&path][method].is_object(),
            "`{method} {path}` is not in {api}"
        );
    }
    let page = service.get("/docs").expect(200).body;
    assert!(page.contains("/openapi.json"));
    assert!(
        !page.contains("//cdn.") && !page.contains("http://") && !page.contains("https://"),
        "{page}"
    );
}

fn every_request_is_a_line_in_the_log(subject: &Subject) {
    let service = subject.start(&[]);
    let id = ("x-request-id", "a-request-of-mine");
    service
        .send("POST", subject.path, &[id], &ada())
        .expect(201);
    let lines = || {
        service
            .log()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect::<Vec<Value>>()
    };
    let line = retry(|| {
        lines()
            .into_iter()
            .find(|line| line["request_id"] == id.1 && line["message"] == "request")
    });
    assert_eq!(
        (&line["method"], &line["route"], &line["status"]),
        (&json!("POST"), &json!(subject.path), &json!(201))
    );
    assert!(line["duration_ms"].is_number(), "{line}");
}

fn a_request_survives_sigterm(subject: &Subject) {
    let mut service = subject.start(&[
        ("SHUTDOWN_DELAY_MS", "500"),
        ("SHUTDOWN_TIMEOUT_MS", "5000"),
    ]);
    let (first, second) = halves(subject.path);
    let mut request = service.connect();
    request.write(&first);
    // So that the service has begun to read it.
    thread::sleep(Duration::from_millis(100));

    service.terminate();
    let since = Instant::now();
    retry(|| (service.get("/readyz").status == 503).then_some(()));
    retry(|| (!service.accepts()).then_some(()));
    request.write(&second);
    let answer = request.read_to_end();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");

    let status = service.wait(Duration::from_secs(5));
    assert!(status.success(), "{status}");
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        since.elapsed()
    );
}

fn all_mistakes_in_the_environment_are_told_at_once(subject: &Subject) {
    let variables = [
        ("HTTP_MAX_IN_FLIGHT", "many"),
        ("HTTP_REQUEST_TIMEOUT_MS", "soon"),
    ];
    let output = std::process::Command::new(subject.binary())
        .env_clear()
        .envs(variables)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    for (name, _) in variables {
        assert!(said.contains(name), "{said}");
    }
}

fn a_scrape_tells_of_the_requests_before_it(subject: &Subject) {
    let service = subject.start(&[]);
    create(&service, subject, &ada());
    let created = [
        "http_server_request_duration_seconds_count{".to_owned(),
        "http_request_method=\"POST\"".to_owned(),
        format!("http_route=\"{}\"", subject.path),
        "http_response_status_code=\"201\"".to_owned(),
    ];
    let line = retry(|| {
        let scrape = service.scrape().expect(200).body;
        check_open_metrics(&scrape);
        scrape
            .lines()
            .find(|line| created.iter().all(|part| line.contains(part)))
            .map(str::to_owned)
    });
    assert!(line.ends_with(" 1"), "{line}");
}

/// Every line of a scrape is a comment or a sample of a family that was declared before it.
fn check_open_metrics(scrape: &str) {
    let text = scrape
        .strip_suffix("# EOF\n")
        .unwrap_or_else(|| panic!("it does not end: {scrape}"));
    let mut family = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            assert!(
                matches!(words.next(), Some("TYPE" | "HELP" | "UNIT")),
                "{line}"
            );
            family = words.next().unwrap_or_else(|| panic!("{line}"));
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(
            !family.is_empty() && name.starts_with(family),
            "`{line}` is no sample of `{family}`"
        );
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

/// Asks until there is an answer: some things are true only a moment after the request that makes them so.
#[track_caller]
pub fn retry<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it has not come about");
        thread::sleep(Duration::from_millis(20));
    }
}
