//! The commands of docs/operations.md, and `keyhole doctor` with one defect after another
//! (`tests/cases/doctor/doctor.console`), against a real apiserver. `KEYHOLE_BLESS=1` writes
//! anew what they print, to be read before it is committed.

use std::{env, fs};

use keyhole_tests::clock::Clock;
use keyhole_tests::console::Console;
use keyhole_tests::page::blocks;
use keyhole_tests::stack::{Stack, root};

#[test]
fn the_doctor_finds_each_defect_and_says_how_to_mend_it() {
    let stack = Stack::own("doctor", &["--live"]).unwrap();
    let state = stack.state();
    // What the stack leaves out, for there is no kubelet that would run it.
    let base = |file: &str| root().join("k8s/base").join(file).to_str().unwrap().to_owned();
    stack
        .kubectl(&["apply", "-f", &base("deployment.yaml"), "-f", &base("rbac.yaml")])
        .unwrap();
    for (file, key) in [("key.txt", stack.var("KEYHOLE_KEY")), ("wrong.txt", "keyhole_x_y")] {
        fs::write(state.join(file), key).unwrap();
    }
    let ca = fs::read(stack.var("KEYHOLE_CA")).unwrap();
    fs::write(state.join("ca.crt"), ca).unwrap();

    // Other times than now, for one command.
    let time = |name: &str, seconds: i64| {
        let folder = state.join(name);
        fs::create_dir(&folder).unwrap();
        let clock = Clock::new(&folder).unwrap();
        clock.set(seconds).unwrap();
        clock.variables()[1].1.to_owned()
    };
    let console = Console::new(state, state)
        .and_then(Console::at_present)
        .unwrap()
        .with("KUBECONFIG", stack.var("KUBECONFIG"))
        .with("URL", stack.var("KEYHOLE_URL"))
        .with("CERTS", root().join("scripts/certs").to_str().unwrap())
        .with("IN_AN_HOUR", &time("hour", 3600))
        .with("A_YEAR_AGO", &time("year", -366 * 24 * 3600));

    rerun("tests/cases/doctor/ready.console", &console);
    rerun("docs/operations.md", &console);
    // The gateway's account was made anew.
    let token = stack.new_gateway_token().unwrap();
    stack.mount_gateway_token(Some(token.trim_end())).unwrap();
    rerun("tests/cases/doctor/doctor.console", &console);
}

/// A transcript, or those in a page.
fn rerun(name: &str, console: &Console) {
    let file = root().join(name);
    let written = fs::read_to_string(&file).unwrap();
    let now = match name.strip_suffix(".md") {
        None => console.rerun(&written).unwrap(),
        Some(_) => {
            blocks(&written, "console").into_iter().fold(written.clone(), |page, block| {
                let block = format!("{block}\n");
                page.replace(&block, &console.rerun(&block).unwrap())
            })
        }
    };
    if env::var_os("KEYHOLE_BLESS").is_some() {
        fs::write(&file, now).unwrap();
    } else {
        assert_eq!(now, written, "{name}");
    }
}
