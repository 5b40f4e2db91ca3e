//! What became of the requests while something happened.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use keyhole_tests::audit::Event;
use keyhole_tests::load::{Load, Made, Summary};
use keyhole_tests::sp_invoke::Call;

use crate::gateway::Gateway;

/// Longer than anything takes here; the load ends when what happens is over.
const LONGEST: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(40);
/// Calls for this long before and after what happens.
const QUIET: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Line {
    summary: Summary,
    made: Made,
    /// Objects that the apiserver says it created.
    audited: usize,
    /// Calls over kept connections, and those of them that were not answered by 200.
    kept: usize,
    kept_failed: Vec<String>,
}

impl Gateway {
    /// Does this while SQL Servers call, and counts what became of their calls.
    pub(crate) fn under_load(&self, name: &str, act: impl FnOnce()) -> Line {
        let stop = AtomicBool::new(false);
        // What an earlier run has left in this cluster has other names.
        let seconds =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let label = format!("{name}-{seconds}");
        let before = self.creates();
        let load = Load { name: &label, threads: 4, pause: PAUSE, duration: LONGEST };
        let (summary, (kept, kept_failed)) = thread::scope(|scope| {
            let callers = scope.spawn(|| load.run(&self.callers, &stop));
            let keeper = scope.spawn(|| self.keep_calling(&stop));
            thread::sleep(QUIET);
            act();
            thread::sleep(QUIET);
            stop.store(true, Ordering::Relaxed);
            (callers.join().unwrap(), keeper.join().unwrap())
        });
        let line = Line {
            summary,
            made: self.made(&label).unwrap(),
            audited: self.creates() - before,
            kept,
            kept_failed,
        };
        line.print(name);
        line
    }

    fn keep_calling(&self, stop: &AtomicBool) -> (usize, Vec<String>) {
        let (sql_server, base) = (self.keeping_sql_server(), self.base());
        let url = format!("{base}/version");
        let (mut count, mut failed) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            count += 1;
            match sql_server.invoke(&Call {
                method: "GET",
                credential: Some(base),
                ..Call::to(&url)
            }) {
                Ok(answer) if answer.return_value == 0 => {}
                Ok(answer) => failed.push(format!("{answer:?}")),
                Err(error) => failed.push(error.to_string()),
            }
            thread::sleep(PAUSE);
        }
        (count, failed)
    }

    /// The ConfigMaps that the audit log says were created for callers.
    fn creates(&self) -> usize {
        let events = self.audit().events().unwrap();
        let is_one = |event: &&Event| {
            event.text("/verb") == "create"
                && event.text("/objectRef/resource") == "configmaps"
                && event.text("/responseStatus/code") == "201"
                && event.user().starts_with("system:serviceaccount:default:caller-")
        };
        events.iter().filter(is_one).count()
    }
}

impl Line {
    fn print(&self, name: &str) {
        let Self { summary, made, audited, kept, kept_failed } = self;
        println!(
            "{name}: {} requests, {} refused, {} wrong, {} lost; {} of {} changes answered 201, \
             {audited} in the audit log, {} objects, {} duplicated; {kept} over kept connections, \
             {} failed; p50 {:.0?}, p99 {:.0?}, longest {:.0?}",
            summary.sent,
            summary.refused,
            summary.wrong.len(),
            summary.lost.len(),
            summary.created,
            summary.mutations,
            made.objects,
            made.duplicates,
            kept_failed.len(),
            summary.percentile(50),
            summary.percentile(99),
            summary.percentile(100),
        );
    }

    /// Every answer was right or a proper refusal, and nothing was done twice.
    pub(crate) fn has_nothing_wrong(&self) {
        let Self { summary, made, audited, .. } = self;
        assert!(summary.sent > 0 && summary.mutations > 0, "there was no load");
        assert!(summary.wrong.is_empty(), "{summary:?}");
        assert_eq!((made.duplicates, *audited), (0, made.objects));
        assert!((summary.created..=summary.mutations).contains(&made.objects));
    }

    /// Nobody noticed anything, and nothing was done twice.
    pub(crate) fn is_clean(&self) {
        let Self { summary, made, audited, kept_failed, kept } = self;
        assert!(summary.sent > 0 && summary.mutations > 0 && *kept > 0, "there was no load");
        assert!(summary.lost.is_empty() && summary.wrong.is_empty(), "{summary:?}");
        assert_eq!(summary.failed(), 0, "refused");
        assert!(kept_failed.is_empty(), "{kept_failed:?}");
        assert_eq!((summary.created, made.objects), (summary.mutations, summary.mutations));
        assert_eq!((made.duplicates, *audited), (0, summary.mutations));
    }
}
