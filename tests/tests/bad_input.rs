//! Bad input: each is told in one sentence what to do, and leaves nothing running.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use keyhole_tests::stack::{Stack, root};

fn keyhole(arguments: &[&str]) -> Output {
    Command::new(root().join("target/debug/keyhole")).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder with links to these programs only.
fn path_with(name: &str, programs: &[&str]) -> String {
    let folder = root().join("target/e2e").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for program in programs {
        let path = env::var("PATH").unwrap();
        let found =
            path.split(':').map(|dir| Path::new(dir).join(program)).find(|p| p.exists());
        std::os::unix::fs::symlink(found.unwrap(), folder.join(program)).unwrap();
    }
    folder.display().to_string()
}

#[test]
fn a_policy_with_problems_fails_the_check_and_names_them() {
    let file = root().join("target/bad-policy.yaml");
    fs::write(&file, "apiVersion: keyhole/v2\nkind: Policy\nclients: []\n").unwrap();
    let file = file.to_str().unwrap();
    for command in ["check", "render"] {
        let output = keyhole(&["policy", command, file]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let said = stderr(&output);
        assert!(said.contains(&format!("{file}:1:13: apiVersion: is `keyhole/v2`")), "{said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_command_that_cannot_run_says_why() {
    for (arguments, sentence) in [
        (&["policy", "check", "/none"][..], "keyhole: cannot read /none: "),
        (&["key", "new", "SQL 1"], "`SQL 1` is not a client's name: write lower-case"),
        (&["rbac", "gateway", "/none"], "keyhole: cannot read /none: "),
        (&["polcy"], "unrecognized subcommand 'polcy'"),
    ] {
        let output = keyhole(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(sentence), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn up_refuses_a_bad_policy_before_it_starts_anything() {
    let state = root().join("target/e2e/up-bad");
    let policy = root().join("target/bad-policy-up.yaml");
    fs::write(&policy, "clients: []\n").unwrap();
    let up = Command::new(root().join("scripts/up"))
        .args(["--policy", policy.to_str().unwrap(), "--state", state.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!up.status.success());
    assert!(stderr(&up).contains("mend"), "{}", stderr(&up));
    assert!(!state.join("processes").exists());
}

#[test]
fn up_that_fails_leaves_nothing_running() {
    let state = root().join("target/e2e/up-fails");
    // An Envoy that ends at once, with everything else in its place.
    let up = Command::new(root().join("scripts/up"))
        .args(["--state", state.to_str().unwrap(), "--workers", "none"])
        .output()
        .unwrap();
    assert!(!up.status.success());
    assert!(stderr(&up).contains("Envoy ended at once"), "{}", stderr(&up));
    assert!(stderr(&up).contains("nothing was left running"), "{}", stderr(&up));
    // No process names the folder on its command line.
    for process in fs::read_dir("/proc").unwrap() {
        let command = fs::read(process.unwrap().path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        assert!(!command.contains(state.to_str().unwrap()), "{command}");
    }
}

#[test]
fn up_takes_no_folder_that_is_not_its_own() {
    let folder = root().join("target/e2e/not-ours");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("precious"), "").unwrap();
    let up =
        Command::new(root().join("scripts/up")).arg("--state").arg(&folder).output().unwrap();
    assert!(!up.status.success());
    assert!(stderr(&up).contains("is not empty, and not of an earlier run"), "{}", stderr(&up));
    assert!(folder.join("precious").exists());
}

#[test]
fn setup_names_all_that_is_missing_at_once() {
    let path =
        path_with("path-without", &["bash", "dirname", "uname", "basename", "curl", "cc"]);
    let setup = Command::new(root().join("scripts/setup"))
        .env("PATH", path)
        .env_remove("KUBEBUILDER_ASSETS")
        .output()
        .unwrap();
    assert!(!setup.status.success());
    let said = stderr(&setup);
    assert!(
        said.contains("missing: Rust, by rustup, rustup, ps (the package procps), openssl, Python 3.11 or newer, with pip, Go"),
        "{said}"
    );
}

#[test]
fn setup_names_the_systems_that_it_runs_on() {
    let path = path_with("path-elsewhere", &["bash", "dirname", "basename", "printf"]);
    // Another system, as far as setup can see.
    let uname = Path::new(&path).join("uname");
    fs::write(&uname, "#!/bin/sh\necho Plan9-mips\n").unwrap();
    fs::set_permissions(&uname, fs::Permissions::from_mode(0o755)).unwrap();
    let setup = Command::new(root().join("scripts/setup")).env("PATH", path).output().unwrap();
    assert!(!setup.status.success());
    let said = stderr(&setup);
    assert!(said.contains("exists for Linux on x86-64 and arm64 only"), "{said}");
}

#[test]
fn scripts_refuse_arguments_that_they_do_not_know() {
    for (script, argument) in [
        ("up", "--polcy"),
        ("down", "--all"),
        ("policy-apply", "--x"),
        ("demo", "x"),
        ("test", "x"),
    ] {
        let output = Command::new(root().join("scripts").join(script)).arg(argument).output();
        let output = output.unwrap();
        assert!(!output.status.success(), "{script}");
        assert!(stderr(&output).starts_with(&format!("{script}: ")), "{}", stderr(&output));
    }
}

/// The gateway's own credentials or its CA are wrong: the client is told what the
/// platform team has to mend.
#[test]
fn a_gateway_that_cannot_ask_for_tokens_says_why() {
    let stack = Stack::own("no-token", &[]).unwrap();
    let apiserver = stack.state().join("keyhole/apiserver");
    let mount = |ca: &Path, token: Option<&Path>| {
        let files = [("ca.crt", Some(ca)), ("token", token)];
        let files = files.iter().filter_map(|(name, file)| Some((name, (*file)?)));
        let mount = Command::new(root().join("scripts/mount"))
            .arg(&apiserver)
            .args(files.map(|(name, file)| format!("{name}={}", file.display())))
            .status();
        assert!(mount.unwrap().success());
    };
    let good_ca = stack.state().join("pki/cluster-ca.crt");
    let other_ca = stack.state().join("pki/clients-ca.crt");
    let good_token = stack.state().join("good-token");
    fs::copy(apiserver.join("token"), &good_token).unwrap();
    let bad_token = stack.state().join("bad-token");
    fs::write(&bad_token, "not-a-token").unwrap();

    const TOKEN: &str = "look whether the gateway's own token file is there and valid";
    const FILES: &str = "whether the gateway's own token and CA files are there";
    const CA: &str =
        "look whether the apiserver runs, and whether its certificate chains to the CA";
    for (ca, token, code, sentence) in [
        (&good_ca, Some(&*bad_token), 503, TOKEN),
        (&good_ca, None, 503, FILES),
        (&other_ca, Some(&*good_token), 503, CA),
        (&good_ca, Some(&*good_token), 200, ""),
    ] {
        mount(ca, token);
        let _envoy = stack.restart_envoy().unwrap();
        let response = stack.client().get("/version").unwrap();
        assert_eq!(response.status, code, "{response:?}");
        assert!(response.field("/message").contains(sentence), "{response:?}");
    }
}
