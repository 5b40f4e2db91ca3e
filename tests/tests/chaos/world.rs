//! A stack with the fault front in it, clients with and without tokens, and the
//! load that runs while something breaks.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use keyhole_tests::accounts::Caller;
use keyhole_tests::faults::Faults;
use keyhole_tests::load::{Load, Outcome, Summary};
use keyhole_tests::process::Restarted;
use keyhole_tests::stack::{OwnStack, Stack};

use crate::report::{Line, Report};

const WARM: usize = 4;
const COLD: usize = 24;
const THREADS: usize = 4;
const PAUSE: Duration = Duration::from_millis(40);
/// Within this time after a fault everybody is served again.
const RECOVERY: Duration = Duration::from_secs(10);
/// The gateway keeps nobody waiting longer for a token.
const LONGEST_WAIT: Duration = Duration::from_secs(9);

pub(crate) struct World {
    // Dropped in this order: the stack goes last.
    pub(crate) faults: Faults,
    pub(crate) apiserver: Option<Restarted>,
    pub(crate) warm: Vec<Caller>,
    cold: VecDeque<Caller>,
    pub(crate) report: Report,
    problems: Vec<String>,
    load: Option<(Arc<AtomicBool>, JoinHandle<Summary>)>,
    seen: Summary,
    rows: usize,
    pub(crate) stack: OwnStack,
}

/// What the accounts that have a token may notice of a fault.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Warm {
    Nothing,
    Refusals,
}

// === impl World ===

impl World {
    pub(crate) fn new() -> Self {
        let stack = Stack::own("chaos", &["--workers", "2"]).unwrap();
        let faults = Faults::before(&stack).unwrap();
        let name = |kind: &'static str, count| (0..count).map(move |n| format!("{kind}-{n}"));
        let mut names: Vec<String> = name("warm", WARM).collect();
        names.extend(name("cold", COLD));
        let mut warm = stack.callers(&names).unwrap();
        let cold = warm.split_off(WARM).into();
        let mut world = Self {
            faults,
            apiserver: None,
            warm,
            cold,
            report: Report::default(),
            problems: Vec::new(),
            load: None,
            seen: Summary::default(),
            rows: 0,
            stack,
        };
        world.everybody_is_served();
        assert!(world.problems.is_empty(), "{:?}", world.problems);
        world
    }

    /// Runs a row: `act` breaks something under load and mends it; afterwards
    /// everybody must be served again. `bound` is how many TokenRequests it may cost.
    pub(crate) fn row(
        &mut self,
        name: &'static str,
        warm: Warm,
        bound: usize,
        act: impl FnOnce(&mut Self),
    ) {
        let audited = self.stack.audit().token_requests().unwrap().len();
        let asked = self.faults.counts().tokens();
        let load = format!("row-{}", self.rows);
        self.rows += 1;
        self.start_load(&load);
        act(self);
        self.faults.lift();
        let healed = self.everybody_is_served();
        self.stop_load();
        let mut line = Line {
            name,
            load: mem::take(&mut self.seen),
            made: self.stack.made(&load).unwrap(),
            audited: self.stack.audit().token_requests().unwrap().len() - audited,
            asked: self.faults.counts().tokens() - asked,
            bound,
            problems: mem::take(&mut self.problems),
        };
        if warm == Warm::Nothing && line.load.refused > 0 {
            line.problems.push(format!("{} were refused that had a token", line.load.refused));
        }
        line.check();
        self.report.add(line);
        if !healed {
            self.start_anew();
        }
    }

    /// The next row is to tell of its own fault only.
    fn start_anew(&mut self) {
        self.restart_envoy(&[]);
        self.everybody_is_served();
        self.problems.clear();
    }

    pub(crate) fn restart_envoy(&mut self, variables: &[(&str, &str)]) {
        let status = self.faults.envoy.terminate().unwrap();
        self.expect(status.success(), format!("Envoy ended with {status}"));
        self.faults.envoy = self.stack.start_again("envoy", variables).unwrap();
    }

    fn start_load(&mut self, name: &str) {
        let (name, callers) = (name.to_owned(), self.warm.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let duration = Duration::from_secs(60);
            Load { name: &name, threads: THREADS, pause: PAUSE, duration }
                .run(&callers, &stopped)
        });
        self.load = Some((stop, thread));
    }

    /// Ends the row's load; whatever was sent has been answered, or is lost.
    pub(crate) fn stop_load(&mut self) {
        if let Some((stop, thread)) = self.load.take() {
            stop.store(true, Ordering::Relaxed);
            self.seen.add(thread.join().expect("a load does not panic"));
        }
    }

    pub(crate) fn expect(&mut self, holds: bool, problem: impl Into<String>) {
        if !holds {
            self.problems.push(problem.into());
        }
    }

    /// A client whose account never had a token.
    pub(crate) fn cold(&mut self) -> Caller {
        self.cold.pop_front().expect("enough cold accounts")
    }

    /// One request that must be answered in a proper way, whatever is wrong; whether
    /// it was served.
    pub(crate) fn is_served(&mut self, caller: &Caller) -> bool {
        let begun = Instant::now();
        let outcome = match caller.client.get("/version") {
            Ok(answer) if answer.status == 200 => return true,
            Ok(answer) => Outcome::of_refusal(&answer),
            Err(error) => Outcome::Lost(format!("{error:#}")),
        };
        if !matches!(outcome, Outcome::Refused(_)) {
            self.problems.push(format!("{}: {outcome:?}", caller.account));
        }
        self.expect(begun.elapsed() < LONGEST_WAIT, format!("waited {:?}", begun.elapsed()));
        false
    }

    /// Asks until it is served, or patience ends.
    pub(crate) fn is_served_again(&mut self, caller: &Caller) -> bool {
        let begun = Instant::now();
        while !self.is_served(caller) {
            if begun.elapsed() > RECOVERY {
                self.problems.push(format!("{} is not served again", caller.account));
                return false;
            }
            thread::sleep(Duration::from_millis(250));
        }
        true
    }

    /// A few times in a row, so that every worker has had its turn.
    fn everybody_is_served(&mut self) -> bool {
        let callers = self.warm.clone();
        callers.iter().all(|caller| (0..5).all(|_| self.is_served_again(caller)))
    }
}
