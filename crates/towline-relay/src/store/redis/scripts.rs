//! The keys in Redis, and the atomic operations on them, as scripts. All names begin with [`PREFIX`]:
//!
//! | key | what |
//! |---|---|
//! | `s:<no>` | hash of a stream: its version, end, metadata, holder, the stored request |
//! | `l:<no>` | stream of Redis: the log; the name of each entry is the position of its end |
//! | `z:<no>` | the log of an answer that has ended, as one text |
//! | `ids:<owner>` | hash: id of a stream → its number |
//! | `asked:<owner>:<request id>` | the number of the stream that answers it, or the relay that is about to create one |
//! | `all` | set of all numbers |
//! | `held:<relay>` | set: the answers that this relay runs |
//! | `relays`, `lease:<relay>` | set of the relays, and a key of each that expires |
//! | `journal` | stream of Redis: every change of metadata, with the metadata |
//! | `orders:<relay>` | stream of Redis: the orders for a relay's answers |
//! | `b:<database>:<no>`, `journal`, `orders:<relay>` | channels: bytes of a log, and notifications |
//!
//! Channels are common to all databases of a server: a needless notification costs nothing, but the channels
//! of bytes include the database.

use std::fmt::Display;

/// Begins every key and channel. A cluster places keys by the part in braces, so one server has all of them.
///
/// No key has exactly this name, but the scripts declare it as their key: a server that does not have the keys, or is
/// just moving them to another one, refuses such a script before it runs. It would stop an undeclared one halfway.
pub(crate) const PREFIX: &str = "{towline}:";

/// The whole name of a key or a channel.
pub(crate) fn key(name: impl Display) -> String {
    format!("{PREFIX}{name}")
}

/// The prefix of the channel of a stream's bytes; its number follows.
pub(crate) fn bytes_channel(database: u32) -> String {
    key(format_args!("b:{database}:"))
}

/// Maximum number of bytes that a notification about a log includes.
const NOTIFIED_BYTES: &str = "16384";

/// The script that writes, for a database of the server. If replicas must have the bytes before a reader sees
/// them, the notification does not include bytes.
pub(crate) fn write(database: u32, replicas: usize) -> String {
    let limit = if replicas == 0 { NOTIFIED_BYTES } else { "-1" };
    WRITE.replace("CHANNEL", &bytes_channel(database)).replace("NOTIFIED_BYTES", limit)
}

/// Writes a stream if its version is the one that the writer knows, so no relay overwrites another's write.
/// The reply begins with 0 for written (now, or earlier with a lost reply, no matter which relay has written since: the
/// bytes of a client's append are stored with the version of their write), 1 for another version, and 2 for a
/// stream that was not created, because its id is taken, another relay has its request, or the relay was
/// declared dead, so that no relay would end its answer.
const WRITE: &str = r"
local k = KEYS[1]
local no, expected, new, me = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local meta, request, is_job, is_closed = ARGV[5], ARGV[6], ARGV[7] == '1', ARGV[8] == '1'
local appended = ARGV[12]
local h, l = k .. 's:' .. no, k .. 'l:' .. no
local was = redis.call('HMGET', h, 'version', 'end', 'holder')
local version, stop, holder = was[1] or '', tonumber(was[2] or '0'), was[3] or ''
local function number(value) return string.format('%.0f', value) end
if version == new then return {0} end
if version ~= expected then
  local there = appended ~= '' and redis.call('XRANGE', l, appended .. '-1', appended .. '-1')[1]
  if there and there[2][4] == new then return {0} end
  return {1, version, number(stop), holder}
end
if expected == '' then
  local owner, id, asked = ARGV[9], ARGV[10], ARGV[11]
  local key = k .. 'asked:' .. owner .. ':' .. asked
  local by = asked ~= '' and redis.call('GET', key)
  if by and by ~= 'relay ' .. me and by ~= no then return {2} end
  if is_job and redis.call('SISMEMBER', k .. 'relays', me) == 0 then return {2} end
  if redis.call('HSETNX', k .. 'ids:' .. owner, id, no) == 0 then return {2} end
  if is_job and not is_closed then
    holder = me
    redis.call('SADD', k .. 'held:' .. me, no)
  end
  redis.call('HSET', h, 'owner', owner, 'id', id, 'asked', asked, 'holder', holder)
  redis.call('SADD', k .. 'all', no)
  if asked ~= '' then redis.call('SET', key, no) end
end
local first, together = stop, {}
for i = 13, #ARGV do
  stop = stop + #ARGV[i]
  if appended == '' then redis.call('XADD', l, number(stop) .. '-1', 'b', ARGV[i])
  else redis.call('XADD', l, number(stop) .. '-1', 'b', ARGV[i], 'v', new) end
  together[#together + 1] = ARGV[i]
end
redis.call('HSET', h, 'version', new, 'end', number(stop))
if request ~= '' then redis.call('HSET', h, 'request', request) end
if #together > 0 then
  local message = ''
  if stop - first <= NOTIFIED_BYTES then message = number(first) .. ' ' .. table.concat(together) end
  redis.call('PUBLISH', 'CHANNEL' .. no, message)
end
if meta ~= '' then
  redis.call('HSET', h, 'meta', meta)
  if is_job and is_closed then
    if holder ~= '' then redis.call('SREM', k .. 'held:' .. holder, no) end
    if stop > 0 and stop <= 1048576 then
      local parts = {}
      for _, entry in ipairs(redis.call('XRANGE', l, '-', '+')) do parts[#parts + 1] = entry[2][2] end
      redis.call('SET', k .. 'z:' .. no, table.concat(parts))
      redis.call('DEL', l)
    end
  end
  redis.call('XADD', k .. 'journal', 'MAXLEN', '~', '10000', '*', 'kind', 'meta', 'no', no, 'version', new,
    'end', number(stop), 'holder', holder, 'data', meta)
  redis.call('PUBLISH', k .. 'journal', '')
end
return {0}
";

/// Removes a stream with all of its data, if its version is the one that the caller knows, or if this relay
/// has written it last, which it may not know after a lost reply. The reply begins with 0 for removed, now or
/// earlier, and 1 for another version.
pub(crate) const REMOVE: &str = r"
local k = KEYS[1]
local no, expected, me = ARGV[1], ARGV[2], ARGV[3]
local h = k .. 's:' .. no
local was = redis.call('HMGET', h, 'owner', 'id', 'asked', 'holder', 'version')
if not was[1] then return {0} end
if was[5] ~= expected and string.match(was[5], '^%d+%.(%d+)%.') ~= me then return {1} end
redis.call('DEL', h, k .. 'l:' .. no, k .. 'z:' .. no)
if redis.call('HGET', k .. 'ids:' .. was[1], was[2]) == no then redis.call('HDEL', k .. 'ids:' .. was[1], was[2]) end
if was[3] ~= '' then
  local asked = k .. 'asked:' .. was[1] .. ':' .. was[3]
  if redis.call('GET', asked) == no then redis.call('DEL', asked) end
end
redis.call('SREM', k .. 'all', no)
if was[4] ~= '' then redis.call('SREM', k .. 'held:' .. was[4], no) end
redis.call('XADD', k .. 'journal', 'MAXLEN', '~', '10000', '*', 'kind', 'gone', 'no', no, 'version', '',
  'end', '0', 'holder', '', 'data', '')
redis.call('PUBLISH', k .. 'journal', '')
return {0}
";

/// Releases the reservation of a request, if it is still the same one.
pub(crate) const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0
";

/// Renews the lease of a relay: 1, or 0 if the others have declared it dead.
pub(crate) const RENEW: &str = r"
local k = KEYS[1]
if redis.call('SISMEMBER', k .. 'relays', ARGV[1]) == 0 then return 0 end
redis.call('SET', k .. 'lease:' .. ARGV[1], '1', 'PX', ARGV[2])
return 1
";

/// Declares a relay dead whose lease has expired, so that it cannot renew it: 1 if it is dead now.
pub(crate) const BURY: &str = r"
local k = KEYS[1]
if redis.call('EXISTS', k .. 'lease:' .. ARGV[1]) == 1 then return 0 end
redis.call('SREM', k .. 'relays', ARGV[1])
redis.call('DEL', k .. 'orders:' .. ARGV[1])
redis.call('SADD', k .. 'dead', ARGV[1])
return 1
";
