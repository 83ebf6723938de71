/**
 * What has to happen in one step. Each script touches one key, so that all of them work in a Cluster, where publishing
 * reaches every node. Time is the server's.
 *
 * A lock is a hash `{ token, until }`. Tokens are taken from the clock, so they grow even when Redis has lost its data.
 */
const now = `local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) `

/** KEYS: lock. ARGV: lease, how long to keep the key. Answers [1, token], or [0, its holder's token, milliseconds left]. */
export const acquire: string = `${now}
local known = tonumber(redis.call('HGET', KEYS[1], 'token') or 0)
local til = tonumber(redis.call('HGET', KEYS[1], 'until') or 0)
if til > now then return {0, known, til - now} end
local token = math.max(known + 1, now)
redis.call('HSET', KEYS[1], 'token', token, 'until', now + ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {1, token}`

/** KEYS: lock. ARGV: token, lease (0 gives it up). Answers 1, or 0 when another has it, or nobody any more. */
export const extend: string = `${now}
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
if tonumber(redis.call('HGET', KEYS[1], 'until') or 0) <= now then return 0 end
redis.call('HSET', KEYS[1], 'until', now + ARGV[2])
return 1`

/**
 * KEYS: state. ARGV: token, and for how long the state may be made; 0: it must be there. Nothing with a lower token is taken from
 * here on. Answers 'gone', 'stale' or 'ok'.
 */
export const claim: string = `
if ARGV[2] == '0' and redis.call('HEXISTS', KEYS[1], 'record') == 0 then return 'gone' end
if tonumber(redis.call('HGET', KEYS[1], 'token') or 0) > tonumber(ARGV[1]) then return 'stale' end
redis.call('HSET', KEYS[1], 'token', ARGV[1])
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 'ok'`

/**
 * KEYS: state. ARGV: token, record or '', 'done' or 'failed' or '', time to live or 0, channel, message. The channel is told.
 * Answers 'gone' (removed meanwhile), 'stale' (there is a newer token) or 'ok'.
 */
export const report: string = `
local current = redis.call('HGET', KEYS[1], 'token')
if not current then return 'gone' end
if tonumber(current) > tonumber(ARGV[1]) then return 'stale' end
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'record', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], ARGV[3], ARGV[1]) end
if ARGV[4] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 'ok'`

/** KEYS: state. ARGV: record, channel, message. */
export const put: string = `
redis.call('HSET', KEYS[1], 'record', ARGV[1])
return redis.call('PUBLISH', ARGV[2], ARGV[3])`

/** KEYS: state. ARGV: channel, message. Answers whether it was there. */
export const remove: string = `
local removed = redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return removed`

/**
 * KEYS: the hash of node numbers. ARGV: own id, the number held so far or -1, lease, how many numbers there are. Answers the own
 * number: the one held so far, or else the lowest that nobody has; -1 when all are taken.
 */
export const takeNode: string = `${now}
local function free(node)
  local entry = redis.call('HGET', KEYS[1], node)
  if not entry then return true end
  local id, til = string.match(entry, '^(%w+) (%d+)$')
  return id == nil or id == ARGV[1] or tonumber(til) <= now
end
local node = tonumber(ARGV[2])
if node < 0 or not free(node) then
  node = 0
  while node < tonumber(ARGV[4]) and not free(node) do node = node + 1 end
  if node == tonumber(ARGV[4]) then return -1 end
end
redis.call('HSET', KEYS[1], node, ARGV[1] .. ' ' .. string.format('%.0f', now + ARGV[3]))
return node`

/** KEYS: the hash of node numbers. ARGV: own id, own number. */
export const leaveNode: string = `
local entry = redis.call('HGET', KEYS[1], ARGV[2])
if entry and string.match(entry, '^(%w+)') == ARGV[1] then redis.call('HDEL', KEYS[1], ARGV[2]) end
return 1`
