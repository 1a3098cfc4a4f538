//! Links, and the devices that sign in with them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Code, Refusal, empty, json_answer, set};
use super::control::{ORDER_BYTES, parsed};
use super::guard::{Listener, is_from_its_page};
use super::input;
use crate::access::Caller;
use crate::config::{Listen, Role};
use crate::devices::Grant;
use crate::id::Owner;
use crate::listen::open_phone_door;
use crate::relay::Relay;

/// Opens the listener for the page on this machine and creates a link to it. A browser that uses the link
/// stays signed in while the relay runs.
pub(super) async fn page(relay: &Arc<Relay>, caller: &Caller) -> Result<Answer, Refusal> {
    if !caller.over_unix {
        let message =
            "the page's listener can be opened only over the Unix socket; here POST devices creates a link";
        return Err(Refusal::new(Code::Forbidden, message));
    }
    let address = relay.page_door.open_page().await.map_err(|error| {
        Refusal::new(Code::Unavailable, format!("the page's listener cannot be opened: {error}"))
    })?;
    let grant = Grant { is_kept: false, ..granted(caller, Some("page".into()), caller.owner.clone()) };
    // A separate host name, because cookies apply to hosts and not to ports: other servers on this machine
    // must not receive this cookie.
    let url = format!("http://towline.localhost:{}/#{}", address.port(), relay.devices.link(grant));
    Ok(json_answer(StatusCode::OK, &json!({ "url": url })))
}

/// The rights that a caller gives to a permanent device: never more than the caller has.
fn granted(caller: &Caller, name: Option<String>, owner: Owner) -> Grant {
    Grant {
        name: name.unwrap_or_default(),
        owner,
        names_servers: caller.names_servers,
        roles: caller.roles.plain(),
        is_kept: true,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkOrder {
    name: Option<String>,
    owner: Option<String>,
}

/// Creates a link for a permanent device.
pub(super) async fn link(
    relay: &Relay,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let body = input::read(relay, request.into_body(), ORDER_BYTES).await?.bytes;
    let LinkOrder { name, owner } = parsed(&body)?;
    let owner = match owner {
        None => caller.owner.clone(),
        Some(owner) if is_admin(caller) || owner == caller.owner.as_str() => Owner::named(&owner),
        Some(_) => {
            let message =
                "a link for another owner needs the relay's Unix socket, or a token with the role admin";
            return Err(Refusal::new(Code::Forbidden, message));
        }
    };
    let token = relay.devices.link(granted(caller, name, owner));
    Ok(json_answer(StatusCode::CREATED, &json!({ "token": token })))
}

/// The default address of the listener for phones: every address of this machine.
const PHONES: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 11437);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PairOrder {
    name: Option<String>,
    owner: Option<String>,
    listen: Option<SocketAddr>,
    #[serde(default)]
    hosts: Vec<String>,
}

/// Creates a link for a phone, and opens the listener for phones if the relay has no address with TLS.
pub(super) async fn pair(
    relay: &Relay,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    if !caller.over_unix {
        let message = "the listener for phones can be opened only over the Unix socket; here POST devices creates a link";
        return Err(Refusal::new(Code::Forbidden, message));
    }
    let body = input::read(relay, request.into_body(), ORDER_BYTES).await?.bytes;
    let PairOrder { name, owner, listen, hosts } = parsed(&body)?;
    let with_tls = relay.listening.get().into_iter().flatten().find_map(|listen| match listen {
        Listen::Tcp(address) if relay.config.tls.is_some() => Some(*address),
        Listen::Tcp(_) | Listen::Unix(_) | Listen::Own => None,
    });
    let (address, fingerprint) = match with_tls {
        Some(address) => (address, None),
        None => {
            let (door, store) = (&relay.phone_door, &relay.config.store.place);
            let opened = open_phone_door(door, store, listen.unwrap_or(PHONES), hosts).await;
            let opened = opened.map_err(|error| {
                let message = format!("the listener for phones cannot be opened: {error}");
                Refusal::new(Code::Unavailable, message)
            })?;
            (opened.address, Some(opened.fingerprint))
        }
    };
    let owner = owner.as_deref().map_or_else(|| caller.owner.clone(), Owner::named);
    let token = relay.devices.link(granted(caller, name, owner));
    let body = json!({ "token": token, "listen": address.to_string(), "fingerprint": fingerprint });
    Ok(json_answer(StatusCode::CREATED, &body))
}

/// The devices of the caller; for an admin all devices.
pub(super) fn list(relay: &Relay, caller: &Caller) -> Answer {
    let devices = relay.devices.list(owner_scope(caller));
    json_answer(StatusCode::OK, &json!({ "devices": devices }))
}

pub(super) fn revoke(relay: &Relay, caller: &Caller, name: &str) -> Result<Answer, Refusal> {
    let name = percent_decode_str(name).decode_utf8_lossy();
    if relay.devices.revoke(owner_scope(caller), &name) {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    Err(Refusal::new(Code::NotFound, format!("there is no device {shown} here")))
}

fn owner_scope(caller: &Caller) -> Option<&Owner> {
    (!is_admin(caller)).then_some(&caller.owner)
}

/// Whether the caller manages the devices of all owners.
fn is_admin(caller: &Caller) -> bool {
    caller.roles.allow(Role::Admin)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionOrder {
    token: String,
}

/// Signs in a browser as a device, with the secret of a link or an owner's token.
pub(super) async fn session(
    relay: &Relay,
    listener: Listener,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::wrong_method("POST"));
    }
    if !is_from_its_page(&request) {
        return Err(Refusal::new(Code::Forbidden, "only the relay's own page can register a device"));
    }
    let body = input::read(relay, request.into_body(), ORDER_BYTES).await?.bytes;
    let SessionOrder { token } = parsed(&body)?;
    let token = token.trim();
    let secret = relay.devices.exchange(token).or_else(|| {
        let rules = relay.access.rules();
        let key = rules.key(token).ok()?;
        let grant = Grant {
            name: "browser".into(),
            owner: key.owner.clone(),
            names_servers: false,
            roles: key.roles.plain(),
            is_kept: true,
        };
        Some(relay.devices.add(grant))
    });
    let Some(secret) = secret else {
        let message = "this token is unknown, or its link was already used or has expired: towline page opens a new one, and \
                       towline relay pair shows one for a phone";
        return Err(Refusal::new(Code::Unauthorized, message));
    };
    let mut answer = empty(StatusCode::NO_CONTENT);
    if let Some(cookie) = listener.set_cookie(&secret) {
        set(&mut answer, "set-cookie", &cookie);
    }
    Ok(answer)
}
