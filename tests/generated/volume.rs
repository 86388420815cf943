//! A database that is a file, on a volume that is full.

use std::env;
use std::process::Command;

use serde_json::{Value, json};

use crate::project::run;
use crate::service::{Service, free_address};
use crate::{Check, Subject};

pub const ALL: &[Check] = &[(
    "a_full_volume_stops_writes_until_there_is_room",
    a_full_volume_stops_writes_until_there_is_room,
)];

/// More writes than 1 MiB has room for.
const WRITES: usize = 2_000;

fn a_full_volume_stops_writes_until_there_is_room(subject: &Subject) {
    if !has_namespaces() {
        return;
    }
    let script =
        "mkdir volume && mount -t tmpfs -o size=1m none volume && cd volume && exec \"$0\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(subject.binary());
    let service = Service::spawn(command, free_address(), free_address());
    let create = |number: usize| {
        let body = json!({"email": format!("{number}@example.com"), "name": "n".repeat(200)});
        service.post(subject.path, &body)
    };

    let mut stored: Vec<Value> = Vec::new();
    let full = (0..WRITES).find(|number| {
        let answer = create(*number);
        let is_full = answer.status == 503;
        if !is_full {
            stored.push(answer.expect(201).json());
        }
        is_full
    });
    let full = full.expect("1 MiB is full at some time");
    let location = format!("{}/{}", subject.path, stored[0]["id"].as_str().unwrap());
    let change = json!({"name": "m".repeat(200)});
    for number in full..full + 5 {
        create(number).expect_problem(503);
        service
            .send("PATCH", &location, &[("if-match", "\"1\"")], &change)
            .expect_problem(503);
        assert_eq!(service.get(&location).expect(200).json(), stored[0]);
        service.get(subject.path).expect(200);
    }

    let mut enlarge = Command::new("nsenter");
    enlarge.args(["--target", &service.pid().to_string()]);
    enlarge.args(["--user", "--mount", "--preserve-credentials"]);
    enlarge.args(["mount", "-o", "remount,size=64m"]);
    run(enlarge.arg(service.directory().join("volume")));
    for number in full..full + 5 {
        stored.push(create(number).expect(201).json());
    }
    service
        .send("PATCH", &location, &[("if-match", "\"1\"")], &change)
        .expect(200);
    for item in &stored[1..] {
        let location = format!("{}/{}", subject.path, item["id"].as_str().unwrap());
        assert_eq!(service.get(&location).expect(200).json(), *item);
    }
}

/// Whether this machine lets anybody have mounts and users of their own. Some Linux distributions do not, and other
/// systems have no such thing; where changes are checked, it has to.
fn has_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "true"]);
    let has = unshare.output().is_ok_and(|output| output.status.success());
    assert!(
        has || env::var_os("CI").is_none(),
        "`unshare --map-root-user --mount` does not work here"
    );
    has
}
