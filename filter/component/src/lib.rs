//! Keyhole's core behind WIT, for whoever wants its judgement elsewhere than in Envoy.
//!
//! It decides nothing: it takes apart what comes in and puts together what goes out. The
//! reference is `wit/policy.wit`.

mod explained;
mod judged;

use keyhole_core::diff::{Fate, Line, Of, Part, diff};
use keyhole_core::{Listing, Problem, UnixTime, list_policy};

use self::bindings::exports::keyhole::policy::policies as wit;

#[expect(unsafe_code, reason = "what the canonical ABI calls")]
mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "keyhole" });
    export!(Component with_types_in self);

    use super::Component;
}

pub(crate) struct Component;

/// A policy in the component's memory.
pub(crate) struct Held(Listing);

// === impl Component ===

impl wit::Guest for Component {
    type Policy = Held;

    fn diff(old: wit::PolicyBorrow<'_>, new: wit::PolicyBorrow<'_>) -> wit::Changes {
        let changes = diff(&old.get::<Held>().0, &new.get::<Held>().0);
        let words = changes.to_string();
        wit::Changes { parts: changes.parts.into_iter().map(wit::Part::from).collect(), words }
    }
}

// === impl Held ===

impl wit::GuestPolicy for Held {
    fn load(text: String) -> Result<wit::Policy, Vec<wit::Problem>> {
        match list_policy(&text) {
            Ok(listing) => Ok(wit::Policy::new(Self(listing))),
            Err(problems) => Err(written(problems)),
        }
    }

    fn revision(&self) -> String {
        self.0.loaded.revision.to_string()
    }

    fn clients(&self) -> Vec<String> {
        self.0.clients.iter().map(|client| client.name.clone()).collect()
    }

    fn warnings(&self, now: u64) -> Vec<wit::Problem> {
        written(keyhole_core::warnings(&self.0, UnixTime::from_secs(now)))
    }

    fn explain(&self, request: wit::Request) -> Result<wit::Explanation, String> {
        explained::explain(&self.0, &request)
    }

    fn judge(&self, arrival: wit::Arrival, now: u64) -> Result<wit::Permit, wit::Refusal> {
        judged::judge(&self.0.loaded.policy, arrival, UnixTime::from_secs(now))
    }
}

fn written(problems: Vec<Problem>) -> Vec<wit::Problem> {
    problems.into_iter().map(wit::Problem::from).collect()
}

/// No document has more lines than this.
fn number(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

// === impl wit::Problem ===

impl From<Problem> for wit::Problem {
    fn from(problem: Problem) -> Self {
        let Problem { line, column, field, message } = problem;
        Self { line: number(line), column: number(column), field, message }
    }
}

// === impl wit::Part ===

impl From<Part> for wit::Part {
    fn from(part: Part) -> Self {
        let Part { of, fate, lines } = part;
        let client = match of {
            Of::Client(name) => Some(name),
            Of::Gateway => None,
        };
        let fate = match fate {
            Fate::Kept => wit::Fate::Kept,
            Fate::New => wit::Fate::New,
            Fate::Removed => wit::Fate::Removed,
        };
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for line in lines {
            match line {
                Line::Gone(text) => gone.push(text),
                Line::New(text) => new.push(text),
            }
        }
        Self { client, fate, gone, new }
    }
}
