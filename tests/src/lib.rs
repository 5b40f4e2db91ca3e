//! What the end-to-end tests and the demo stand on: a running stack, a client
//! that speaks as SQL Server does, and the apiserver's audit log as the witness.

pub mod accounts;
pub mod audit;
pub mod bench;
pub mod cases;
pub mod client;
pub mod clock;
pub mod component;
pub mod console;
pub mod crds;
pub mod crowd;
pub mod discovery;
pub mod faults;
pub mod generate;
pub mod issuer;
pub mod kit;
pub mod load;
pub mod mounts;
pub mod oracle;
pub mod page;
pub mod process;
pub mod prometheus;
pub mod router_log;
pub mod sample;
pub mod soak;
pub mod sp_invoke;
pub mod stack;
