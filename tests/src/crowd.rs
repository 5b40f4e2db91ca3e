//! Many requests, a few at a time.

use std::sync::Mutex;
use std::thread;

/// What `act` makes of each item, in no particular order, on this many threads.
pub fn each<T: Send, R: Send>(
    threads: usize,
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    act: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let next = Mutex::new(items.into_iter());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(item) = next.lock().expect("nobody panics with it").next() else {
                        return;
                    };
                    let result = act(item);
                    done.lock().expect("nobody panics with it").push(result);
                }
            });
        }
    });
    done.into_inner().expect("all have ended")
}
