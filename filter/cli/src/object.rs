//! `NAMESPACE/NAME` on the command line.

use std::str::FromStr;

#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl FromStr for Object {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name))
                if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
            {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err("write NAMESPACE/NAME".to_owned()),
        }
    }
}
