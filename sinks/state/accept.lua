-- The one door: duplicate check, quota, id and record in one step.
-- KEYS 1 ready, 2 plan, 3 ledger, 4 ids, 5 dup, 6 accepting
-- ARGV 1 now (ms), 2 code, 3 key prefix, 4 resource, 5 units, 6 record up to the id,
--      7 record's JSON, 8 digest, 9 text, 10 its ttl (ms), 11 idempotency key, 12 its ttl (ms),
--      13 age after which a reservation is resumed (ms), 14.. duplicate fields
-- Answer {outcome, record or figures}
if redis.call('EXISTS', KEYS[1]) == 0 then return {'notready'} end
local now, code, prefix = tonumber(ARGV[1]), ARGV[2], ARGV[3]

-- An earlier task that owns one of our keys; nil when it is gone.
local function earlier(owner, durable, idempotent)
  local record = redis.call('GET', prefix .. 't:' .. owner)
  if not record then return nil end
  local same = string.sub(record, 17, 28) == ARGV[8]
  if idempotent and not same then return {'conflict'} end
  local since = redis.call('ZSCORE', KEYS[6], owner)
  if not since then return {durable, record} end
  -- Only the same content may be produced again under the earlier code.
  if not same or now - tonumber(since) < tonumber(ARGV[13]) then return {'inflight', record} end
  redis.call('ZADD', KEYS[6], ARGV[1], owner)
  return {'resume', record}
end

if ARGV[11] ~= '' then
  local owner = redis.call('GET', prefix .. 'i:' .. ARGV[11])
  local found = owner and earlier(owner, 'existing', true)
  if found then return found end
end
if #ARGV > 13 then
  for _, owner in ipairs(redis.call('HMGET', KEYS[5], unpack(ARGV, 14))) do
    local found = owner and earlier(owner, 'duplicate', false)
    if found then return found end
  end
end

local period = ''
if ARGV[4] ~= '' then
  local plan
  for from, to, id in string.gmatch(redis.call('HGET', KEYS[2], 'w') or '', '(%d+),(%d+),([^;]*);') do
    if tonumber(from) <= now and now < tonumber(to) then
      period, plan = from, id
      break
    end
  end
  if not plan then return {'noplan'} end
  local limit = tonumber(redis.call('HGET', KEYS[2], 'l:' .. plan .. ':' .. ARGV[4]) or 0)
  local used, held, units = period .. ':u:' .. ARGV[4], period .. ':h:' .. ARGV[4], tonumber(ARGV[5])
  if limit >= 0 then
    local sums = redis.call('HMGET', KEYS[3], used, held)
    local left = limit - tonumber(sums[1] or 0) - tonumber(sums[2] or 0)
    if units > left then return {'quota', tostring(left)} end
  end
  if units > 0 then redis.call('HINCRBY', KEYS[3], held, ARGV[5]) end
end

local id = redis.call('HINCRBY', KEYS[4], 'task', 1)
local record = ARGV[6] .. string.format('%d', id) .. ',' .. period .. ARGV[7]
redis.call('SET', prefix .. 't:' .. code, record)
redis.call('ZADD', KEYS[6], ARGV[1], code)
if ARGV[9] ~= '' then redis.call('SET', prefix .. 'x:' .. code, ARGV[9], 'PX', ARGV[10]) end
if ARGV[11] ~= '' then redis.call('SET', prefix .. 'i:' .. ARGV[11], code, 'PX', ARGV[12]) end
if #ARGV > 13 then
  local fields = {}
  for i = 14, #ARGV do fields[#fields + 1], fields[#fields + 2] = ARGV[i], code end
  redis.call('HSET', KEYS[5], unpack(fields))
end
return {'new', string.format('%d', id)}
