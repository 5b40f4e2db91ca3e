//! The specification of the double of `sp_invoke_external_rest_endpoint`, row by row,
//! against a local TLS server that answers with given bytes. Rows 18, 26 and 27
//! have further tests beside their code.

mod answer;
mod certificates;
mod credential;
mod exchange;
mod headers;
mod request;
mod server;
mod trust;
