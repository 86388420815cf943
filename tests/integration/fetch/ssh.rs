//! Presets from a real OpenSSH server.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{Server, configure, find, run};
use super::{history, kept, readme_from, repository, take_all};
use crate::assert_seen;
use crate::support::{Seen, Test};

/// Starts an OpenSSH server that lets in whoever has the key `server/user`; nothing where there is no such program.
fn start(test: &Test, settings: &str) -> Option<Server> {
    let sshd = find("sshd")?;
    for key in ["host", "user"] {
        run(
            test,
            &["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key],
        );
    }
    // As root it needs this directory, which is there only where it is a service; nobody else can make it, or needs it.
    let _ = fs::create_dir("/run/sshd");
    let root = root(test);
    let configuration = |port| {
        format!(
            "ListenAddress 127.0.0.1\n\
             Port {port}\n\
             HostKey {root}/server/host\n\
             AuthorizedKeysFile {root}/server/user.pub\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             StrictModes no\n\
             PidFile none\n\
             {settings}\n"
        )
    };
    let server = Server::start(test, &sshd, &["-D", "-e", "-f"], configuration);
    let known = test.read("../server/host.pub");
    test.write(
        "../server/known",
        &format!("[127.0.0.1]:{} {known}", server.port),
    );
    let ssh = format!(
        "Host *\n\
         IdentityFile {root}/server/user\n\
         IdentitiesOnly yes\n\
         IdentityAgent none\n\
         GlobalKnownHostsFile none\n\
         UserKnownHostsFile {root}/server/known\n\
         Host presets\n\
         HostName 127.0.0.1\n\
         Port {}\n",
        server.port
    );
    test.write("../server/ssh.conf", &ssh);
    // The home that ssh looks into is that of the account, and not `HOME`.
    configure(
        test,
        &format!("[core]\nsshCommand = ssh -F {root}/server/ssh.conf\n"),
    );
    Some(server)
}

/// With this, git's second protocol gets through, as with the large hosts.
const ACCEPTS_PROTOCOL: &str = "AcceptEnv GIT_PROTOCOL";

fn root(test: &Test) -> String {
    let root = test.dir().parent().unwrap().canonicalize().unwrap();
    root.display().to_string()
}

fn user(test: &Test) -> String {
    run(test, &["id", "-un"])
}

fn url(test: &Test, server: &Server) -> String {
    let (user, root) = (user(test), root(test));
    format!("ssh://{user}@127.0.0.1:{}{root}/preset", server.port)
}

/// What is seen where nothing comes of it, and nobody is waited for.
fn fails_at_once(test: &Test, server: &Server, command: &mut Command) -> Seen {
    let start = Instant::now();
    let mut seen = server.hide(test.see(command));
    let user = user(test);
    seen.stderr = seen.stderr.replace(&format!("{user}@"), "[USER]@");
    seen.stdout = seen.stdout.replace(&format!("{user}@"), "[USER]@");
    assert!(start.elapsed() < Duration::from_secs(10), "{seen}");
    assert!(test.paths().is_empty(), "{:?}", test.paths());
    assert_eq!(kept(test).len(), 1, "{:?}", kept(test));
    seen
}

fn new(test: &Test, preset: &str) -> Command {
    test.scaffold(&["new", "shop", "--preset", preset, "--yes", "--no-git"])
}

#[test]
fn a_branch_a_tag_and_a_commit_come_over_ssh() {
    let (test, third) = history();
    let Some(server) = start(&test, ACCEPTS_PROTOCOL) else {
        return;
    };
    take_all(&test, &url(&test, &server), &third);
    let short = format!("{}@presets:{}/preset", user(&test), root(&test));
    assert_eq!(readme_from(&test, &short), "four");
}

#[test]
fn an_old_ssh_server_gives_what_a_branch_or_a_tag_is_at() {
    let (test, third) = history();
    let Some(server) = start(&test, "") else {
        return;
    };
    let url = url(&test, &server);
    let mut old = new(&test, &format!("{url}#{third}"));
    let mut seen = fails_at_once(&test, &server, &mut old);
    seen.stderr = seen.stderr.replace(&third, "[COMMIT]");
    assert_seen!(seen, @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `ssh://[USER]@[HOST][ROOT]/preset`: Server does not allow request for unadvertised object [COMMIT]
    help: this server gives only what a branch or a tag points at: make a tag there, or set `uploadpack.allowReachableSHA1InWant` in the repository
    ");

    super::git(&test, &["tag", "v3", &third]);
    assert_eq!(readme_from(&test, &format!("{url}#{third}")), "three");
    assert_eq!(readme_from(&test, &format!("{url}#feature/two")), "two");
}

#[test]
fn a_host_that_nobody_knows_is_refused_and_nobody_is_asked() {
    let (test, _) = repository();
    let Some(server) = start(&test, ACCEPTS_PROTOCOL) else {
        return;
    };
    let url = url(&test, &server);
    test.write("../server/known", "");
    assert_seen!(fails_at_once(&test, &server, &mut new(&test, &url)), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `ssh://[USER]@[HOST][ROOT]/preset`: Host key verification failed.
    help: once `git ls-remote ssh://[USER]@[HOST][ROOT]/preset` works and asks for nothing, this works, too
    ");

    // The same where there is a terminal, which the program does not read.
    let line = format!(
        "{} new shop --preset {url} --yes < /dev/null",
        env!("CARGO_BIN_EXE_scaffold")
    );
    let mut script = Command::new("script");
    test.at_home(script.args(["--quiet", "--return", "--command", &line, "/dev/null"]));
    // It has its own end of the terminal only as long as somebody may type.
    let (typed, _nobody) = std::io::pipe().unwrap();
    let seen = fails_at_once(&test, &server, script.stdin(typed));
    assert_eq!(seen.code, Some(1), "{seen}");
    assert!(
        seen.stdout.contains("Host key verification failed."),
        "{seen}"
    );
    assert!(!seen.stdout.contains("(yes/no"), "{seen}");
}

#[test]
fn whoever_has_no_key_is_told_so() {
    let (test, _) = repository();
    let Some(server) = start(&test, ACCEPTS_PROTOCOL) else {
        return;
    };
    let url = url(&test, &server);
    let ssh = format!("ssh -F {}/server/ssh.conf -i none", root(&test));
    let settings = test
        .read("../server/ssh.conf")
        .replace("server/user", "server/none");
    test.write("../server/ssh.conf", &settings);
    assert_seen!(fails_at_once(&test, &server, new(&test, &url).env("GIT_SSH_COMMAND", ssh)), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `ssh://[USER]@[HOST][ROOT]/preset`: [USER]@[HOST]: Permission denied (publickey).
    help: once `git ls-remote ssh://[USER]@[HOST][ROOT]/preset` works and asks for nothing, this works, too
    ");

    let ssh = format!(
        "ssh -F {root}/server/ssh.conf -i {root}/server/user",
        root = root(&test)
    );
    let seen = test.see(new(&test, &url).env("GIT_SSH_COMMAND", ssh));
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn a_key_with_a_passphrase_that_nobody_is_there_to_type_fails_at_once() {
    let (test, _) = repository();
    let Some(server) = start(&test, ACCEPTS_PROTOCOL) else {
        return;
    };
    run(
        &test,
        &["ssh-keygen", "-q", "-p", "-N", "secret", "-f", "user"],
    );
    assert_seen!(fails_at_once(&test, &server, &mut new(&test, &url(&test, &server))), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `ssh://[USER]@[HOST][ROOT]/preset`: [USER]@[HOST]: Permission denied (publickey).
    help: once `git ls-remote ssh://[USER]@[HOST][ROOT]/preset` works and asks for nothing, this works, too
    ");
}

#[test]
fn a_repository_that_is_not_there_is_told_so() {
    let (test, _) = repository();
    let Some(server) = start(&test, ACCEPTS_PROTOCOL) else {
        return;
    };
    let url = format!("{}s", url(&test, &server));
    assert_seen!(fails_at_once(&test, &server, &mut new(&test, &url)), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `ssh://[USER]@[HOST][ROOT]/presets`: '[ROOT]/presets' does not appear to be a git repository
    help: once `git ls-remote ssh://[USER]@[HOST][ROOT]/presets` works and asks for nothing, this works, too
    ");
}

#[test]
fn an_interrupt_ends_an_ssh_that_gets_no_answer() {
    let test = Test::new();
    if find("ssh").is_none() {
        return;
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ssh://{}/preset", silent.local_addr().unwrap());
    let child = new(&test, &url).stderr(Stdio::piped()).spawn().unwrap();
    let (mut connection, _) = silent.accept().unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_seen!(test.seen(child.wait_with_output().unwrap()), @"
    exit 130
    --- stderr
    error: interrupted, nothing was written
    ");
    // Whoever has called hangs up.
    connection
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    connection.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(kept(&test).len(), 1, "{:?}", kept(&test));
}
