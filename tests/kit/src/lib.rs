//! What tests of the whole hub share: the program as a process that can be killed, a client of its
//! API, simulated systems on free ports, and waiting for a condition instead of sleeping.

mod api;
mod process;
mod sim;
mod wait;

pub use api::{Answer, Api};
pub use process::{ADMIN_EMAIL, ADMIN_PASSWORD, HubProcess, binary};
pub use sim::Salesforce;
pub use wait::{until, until_done};
