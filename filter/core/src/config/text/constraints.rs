//! Constraints as a rule writes them, on one line of YAML.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{Flow, Scalar};
use crate::policy::constraints::{Constraints, Image, Label, Privilege};

impl fmt::Display for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { images, forbid, service_accounts, name_prefix, labels, max_replicas } = self;
        let images = images.as_ref().map(|images| flow(images.iter().map(Image::as_str)));
        let forbid = flow(forbid.iter().map(|privilege| Privilege::as_str(*privilege)));
        let accounts =
            service_accounts.as_ref().map(|all| flow(all.iter().map(String::as_str)));
        let labels: Vec<String> = labels.iter().map(Label::to_string).collect();
        let labels = flow(labels.iter().map(String::as_str));
        let fields = [
            ("images", images),
            ("forbid", Some(forbid).filter(|list| list != "[]")),
            ("serviceAccounts", accounts),
            ("namePrefix", name_prefix.as_deref().map(|prefix| Scalar(prefix).to_string())),
            ("labels", Some(labels).filter(|list| list != "[]")),
            ("maxReplicas", max_replicas.map(|most| most.to_string())),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let given: Vec<_> = given.map(|(name, value)| format!("{name}: {value}")).collect();
        write!(f, "{{{}}}", given.join(", "))
    }
}

fn flow<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(String::from).collect();
    Flow(&words).to_string()
}
