//! Presets from a real web server, with and without TLS.

use std::time::{Duration, Instant};

use super::server::{Server, configure, find, run};
use super::{history, kept, new_from, readme_from, repository, take_all};
use crate::assert_seen;
use crate::support::{Seen, Test};

/// A web server in front of the test's repository.
struct Web {
    /// Whether it has a certificate, which it vouches for itself.
    has_tls: bool,
    /// Whether only Ann gets in, whose password is `secret`.
    is_private: bool,
}

const PLAIN: Web = Web {
    has_tls: false,
    is_private: false,
};

impl Web {
    /// Starts it; nothing where there is no such program.
    fn start(self, test: &Test) -> Option<Server> {
        let (lighttpd, _) = (find("lighttpd")?, find("openssl")?);
        let root = test.dir().parent().unwrap().canonicalize().unwrap();
        let root = root.display();
        let backend = run(test, &["git", "--exec-path"]);
        let (mut modules, mut settings) = (String::new(), String::new());
        if self.has_tls {
            certify(test);
            modules.push_str(r#", "mod_openssl""#);
            settings.push_str(&format!(
                r#"
                ssl.engine = "enable"
                ssl.pemfile = "{root}/server/certificate.pem"
                ssl.privkey = "{root}/server/key.pem"
                "#
            ));
        }
        if self.is_private {
            test.write("../server/passwords", "ann:secret\n");
            modules.push_str(r#", "mod_auth", "mod_authn_file""#);
            settings.push_str(&format!(
                r#"
                auth.backend = "plain"
                auth.backend.plain.userfile = "{root}/server/passwords"
                auth.require = ("" => ("method" => "basic", "realm" => "presets", "require" => "valid-user"))
                "#
            ));
        }
        let configuration = |port| {
            format!(
                r#"
                server.document-root = "{root}"
                server.bind = "127.0.0.1"
                server.port = {port}
                server.modules = ("mod_alias", "mod_setenv"{modules}, "mod_cgi")
                alias.url = ("/git" => "{backend}/git-http-backend")
                cgi.assign = ("git-http-backend" => "")
                setenv.set-environment = ("GIT_PROJECT_ROOT" => "{root}", "GIT_HTTP_EXPORT_ALL" => "1")
                {settings}
                "#
            )
        };
        Some(Server::start(test, &lighttpd, &["-D", "-f"], configuration))
    }
}

/// Makes a certificate that nobody else vouches for.
fn certify(test: &Test) {
    let line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
                -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem";
    run(test, &line.split(' ').collect::<Vec<_>>());
}

fn url(scheme: &str, server: &Server) -> String {
    format!("{scheme}://127.0.0.1:{}/git/preset", server.port)
}

/// What is seen where nothing comes of it, and nobody is waited for.
fn fails_at_once(test: &Test, server: &Server, url: &str) -> Seen {
    let start = Instant::now();
    let seen = server.hide(new_from(test, url));
    assert!(start.elapsed() < Duration::from_secs(10), "{seen}");
    assert!(test.paths().is_empty(), "{:?}", test.paths());
    assert_eq!(kept(test).len(), 1, "{:?}", kept(test));
    seen
}

#[test]
fn a_branch_a_tag_and_a_commit_come_over_https() {
    let (test, third) = history();
    let web = Web {
        has_tls: true,
        ..PLAIN
    };
    let Some(server) = web.start(&test) else {
        return;
    };
    let certificate = test.dir().join("../server/certificate.pem");
    configure(
        &test,
        &format!("[http]\nsslCAInfo = {}\n", certificate.display()),
    );
    take_all(&test, &url("https", &server), &third);
}

#[test]
fn a_branch_a_tag_and_a_commit_come_over_http() {
    let (test, third) = history();
    let Some(server) = PLAIN.start(&test) else {
        return;
    };
    take_all(&test, &url("http", &server), &third);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (test, _) = repository();
    let web = Web {
        has_tls: true,
        ..PLAIN
    };
    let Some(server) = web.start(&test) else {
        return;
    };
    let url = url("https", &server);
    let seen = fails_at_once(&test, &server, &url);
    // The rest of the line is that of the TLS library that git was built with.
    let said = "error: the preset can't be fetched from `https://[HOST]/git/preset`: unable to access 'https://[HOST]/git/preset/': ";
    assert!(seen.stderr.starts_with(said), "{seen}");
    assert!(seen.stderr.contains("certificate"), "{seen}");

    let args = ["new", "shop", "--preset", &url, "--yes", "--no-git"];
    let mut trusting = test.scaffold(&args);
    trusting.env(
        "GIT_SSL_CAINFO",
        test.dir().join("../server/certificate.pem"),
    );
    let seen = test.see(&mut trusting);
    assert_eq!(seen.code, Some(0), "{seen}");
}

#[test]
fn a_password_is_the_credential_helpers_to_know() {
    let (test, _) = repository();
    let web = Web {
        is_private: true,
        ..PLAIN
    };
    let Some(server) = web.start(&test) else {
        return;
    };
    let url = url("http", &server);
    assert_seen!(fails_at_once(&test, &server, &url), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `http://[HOST]/git/preset`: could not read Username for 'http://[HOST]': terminal prompts disabled
    help: once `git ls-remote http://[HOST]/git/preset` works and asks for nothing, this works, too
    ");

    let helper = |password| {
        let helper = format!("\"!echo username=ann; echo password={password}; :\"");
        configure(
            &test,
            &format!("[credential]\nhelper =\nhelper = {helper}\n"),
        );
    };
    helper("forgotten");
    assert_seen!(fails_at_once(&test, &server, &url), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `http://[HOST]/git/preset`: Authentication failed for 'http://[HOST]/git/preset/'
    help: once `git ls-remote http://[HOST]/git/preset` works and asks for nothing, this works, too
    ");
    helper("secret");
    assert_eq!(readme_from(&test, &url), "one");
    // It is nobody's but git's.
    assert!(!test.read("shop/.scaffold/answers.toml").contains("secret"));
}

#[test]
fn a_repository_that_a_web_server_does_not_have_is_told_so() {
    let (test, _) = repository();
    let Some(server) = PLAIN.start(&test) else {
        return;
    };
    let url = url("http", &server).replace("preset", "presets");
    assert_seen!(fails_at_once(&test, &server, &url), @"
    exit 1
    --- stderr
    error: the preset can't be fetched from `http://[HOST]/git/presets`: repository 'http://[HOST]/git/presets/' not found
    help: once `git ls-remote http://[HOST]/git/presets` works and asks for nothing, this works, too
    ");
}
