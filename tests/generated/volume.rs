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
    command
        .arg(subject.binary())
        .env("RUST_LOG", "info,request=off");
    let service = Service::spawn(command, free_address(), free_address());
    let create = |number: usize| {
        let body = json!({"email": format!("{number}@example.com"), "name": "n".repeat(200)});
        service.post(subject.path, &body)
    };

    let mut stored: Vec<Value> = Vec::new();
    let mut fits = |number: &usize| {
        let answer = create(*number);
        let fits = answer.status != 503;
        if fits {
            stored.push(answer.expect(201).json());
        }
        fits
    };
    let full = (0..WRITES).find(|number| !fits(number));
    let full = full.expect("1 MiB is full at some time");
    let get = |item: &Value| {
        let id = item["id"].as_str().unwrap();
        let answer = service.get(&format!("{}/{id}", subject.path));
        answer.expect(200).json()
    };
    for item in &stored[..10] {
        create(full).expect_problem(503);
        assert_eq!(get(item), *item);
        service.get(subject.path).expect(200);
    }

    let mut enlarge = Command::new("nsenter");
    enlarge.args(["--target", &service.pid().to_string()]);
    enlarge.args(["--user", "--mount", "--preserve-credentials"]);
    enlarge.args(["mount", "-o", "remount,size=64m"]);
    run(enlarge.arg(service.directory().join("volume")));
    stored.extend((full..full + 10).map(|number| create(number).expect(201).json()));
    for item in &stored {
        assert_eq!(get(item), *item);
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
