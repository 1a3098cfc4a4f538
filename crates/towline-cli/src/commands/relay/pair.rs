//! `towline relay pair` and `towline relay token`: access for browsers.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use serde_json::json;
use towline::client::{Endpoint, Scheme};
use towline::relay::{Pairing, RelayConfig};
use towline_relay::{NewSecret, moment};

use crate::args::{PairArgs, TokenNewArgs, TokenVerb};
use crate::commands::relayed::reach;
use crate::commands::{Context, asked};
use crate::exit::Exit;
use crate::exit::failure::unless_stopped;
use crate::exit::failure::{Complaint, Failure};
use crate::output::qr::Code;
use crate::output::{self, Out};
use crate::server::UNARY_TIMEOUTS;
use towline_app::servers::Reached;

/// Shows a code with a link for one phone.
pub async fn pair(args: &PairArgs, context: &mut Context) -> Result<Exit, Failure> {
    let Reached { control, place, client: _client, .. } =
        reach(&args.relay, context, UNARY_TIMEOUTS, RelayConfig::default()).await?;
    can_be_reached(args, &place.endpoint)?;
    let (link, fingerprint) = if matches!(place.endpoint.scheme, Scheme::Unix(_)) {
        let host = args.host.clone().or_else(own_address).ok_or_else(|| {
            let complaint = Complaint::new("this machine has no network address".to_owned());
            Failure::Local(complaint.hint("--host sets the address that the phone uses"))
        })?;
        let pairing = Pairing {
            name: args.name.clone(),
            owner: args.owner.clone(),
            listen: args.listen.map(|listen| listen.to_string()),
            hosts: vec![host.clone()],
        };
        let paired = asked(control.pair(&pairing), context).await?;
        let port = paired.listen.parse::<SocketAddr>().map_or(443, |listen| listen.port());
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        (format!("https://{host}:{port}/#{}", paired.token), paired.fingerprint)
    } else {
        let token = asked(control.link(&args.name), context).await?;
        (format!("{}/#{token}", place.endpoint), None)
    };
    let code = Code::of(&link)
        .ok_or_else(|| Failure::Local(Complaint::new("the link is too long for a QR code".to_owned())))?;
    if let Some(path) = &args.png {
        std::fs::write(path, code.png()).map_err(|error| {
            Failure::Local(Complaint::new(format!("{} cannot be written: {error}", path.display())))
        })?;
    }
    let mut out = Out::new();
    for line in code.lines() {
        out.line(&line)?;
    }
    out.line(&link)?;
    output::note(
        "scan the code with the phone's camera, or open the link there; it works once, for 10 minutes",
    );
    if let Some(fingerprint) = fingerprint {
        out.line(&fingerprint)?;
        output::note(
            "the browser warns about an unknown certificate: continue only if its SHA-256 fingerprint is this one",
        );
    }
    Ok(Exit::Completed)
}

/// Refuses a loopback address, which on the phone means the phone itself. If both addresses are loopback
/// addresses, the port is forwarded on purpose.
fn can_be_reached(args: &PairArgs, relay: &Endpoint) -> Result<(), Failure> {
    let own = own_address().unwrap_or_else(|| "ADDRESS".to_owned());
    let is_local =
        |host: &str| host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let local = |what: String, hint: String| {
        let complaint = Complaint::new(format!("only this machine can reach {what}, not a phone"));
        Err(Failure::Usage(complaint.hint(hint)))
    };
    if !matches!(relay.scheme, Scheme::Unix(_)) {
        return match is_local(&relay.host) {
            true => local(
                format!("the relay at {relay}"),
                format!(
                    "--relay {} names it by its address in the network, if it listens there",
                    Endpoint { host: own, ..relay.clone() }
                ),
            ),
            false => Ok(()),
        };
    }
    let host = args.host.as_deref().filter(|host| is_local(host));
    let listen = args.listen.filter(|listen| listen.ip().is_loopback());
    match (host, listen) {
        (Some(host), None) => local(
            format!("--host {host}"),
            format!("--host {own} is this machine's address in the network, and the default"),
        ),
        (None, Some(listen)) => local(
            format!("--listen {listen}"),
            format!("--listen 0.0.0.0:{} listens in the network too", listen.port()),
        ),
        (Some(_), Some(_)) | (None, None) => Ok(()),
    }
}

/// Creates a token, or lists or revokes devices.
pub async fn token(verb: &TokenVerb, context: &mut Context) -> Result<Exit, Failure> {
    let relay = match verb {
        TokenVerb::New(args) => return new_token(args),
        TokenVerb::List(args) => &args.relay,
        TokenVerb::Revoke(args) => &args.relay,
    };
    let Reached { control, place: _place, client: _client, .. } =
        reach(relay, context, UNARY_TIMEOUTS, RelayConfig::default()).await?;
    let mut out = Out::new();
    match verb {
        TokenVerb::New(_) => {}
        TokenVerb::List(_) => {
            let devices = asked(control.devices(), context).await?;
            if devices.is_empty() {
                output::note("no device is paired; towline relay pair shows a code for one");
            }
            for device in devices {
                let seen = device.seen_at.split('T').next().unwrap_or_default();
                out.line(&format!("{} of {}, last visit on {seen}", device.name, device.owner))?;
            }
        }
        TokenVerb::Revoke(args) => {
            for name in &args.names {
                if let Err(error) = unless_stopped(control.revoke(name), &mut context.stopper).await? {
                    let complaint = Complaint::new(error.message.clone());
                    let complaint = complaint.hint("towline relay token list shows the devices");
                    return Err(Failure::Request(complaint, Exit::from(&error)));
                }
                out.line(&format!("revoked {name}"))?;
            }
        }
    }
    Ok(Exit::Completed)
}

/// The configuration goes to standard output, so that it can be appended to a file; the secret does not.
fn new_token(args: &TokenNewArgs) -> Result<Exit, Failure> {
    let usage = |message: &str| Failure::Usage(Complaint::new(message.to_owned()));
    if args.owner.is_empty() || args.owner.chars().any(char::is_control) {
        return Err(usage("the owner of a token must be a name without control characters"));
    }
    if args.expires.as_ref().is_some_and(|text| moment(text).is_none()) {
        return Err(usage(
            "--expires takes a date such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z",
        ));
    }
    let NewSecret { secret, sha256 } = NewSecret::random();
    // Strings and lists are the same in TOML and JSON.
    let mut token = vec![("owner", json!(args.owner)), ("secret_sha256", json!(sha256))];
    if !args.roles.is_empty() {
        token.push(("roles", json!(args.roles)));
    }
    token.extend(args.expires.as_ref().map(|expires| ("expires", json!(expires))));
    let mut out = Out::new();
    out.line("\n[[token]]")?;
    for (key, value) in token {
        out.line(&format!("{key} = {value}"))?;
    }
    output::note(&format!("the secret of {}, which is shown once: {secret}", args.owner));
    Ok(Exit::Completed)
}

/// This machine's address in the network with the default route. Sends nothing.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // A documentation address: finds the address from which packets to it would leave.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then(|| address.to_string())
}
