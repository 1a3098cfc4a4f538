//! Each step does on the wire what it says.

mod chunks;
mod client;
mod close;
mod corpus;
mod fakemodel;
mod gates;
mod ports;
mod proxy;
mod routes;
mod wire;
