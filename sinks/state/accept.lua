-- The one door: duplicate check, quota, id and record of each task in one step.
-- KEYS 1 ready, 2 plan, 3 ledger, 4 ids, 5 dup, 6 accepting
-- ARGV 1 now (ms), 2 key prefix, 3 age after which a reservation is resumed (ms), 4 ttl of texts (ms),
--      5 ttl of idempotency keys (ms), then for each task: code, resource, units, record up to the id,
--      record's JSON, digest, text, idempotency key, number of duplicate fields, the fields
-- Answer: for each task {outcome, record or figures}
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local now, prefix = tonumber(ARGV[1]), ARGV[2]

-- An earlier task that owns one of our keys; nil when it is gone.
local function earlier(owner, digest, durable, idempotent)
  local record = redis.call('GET', prefix .. 't:' .. owner)
  if not record then return nil end
  local same = string.sub(record, 17, 28) == digest
  if idempotent and not same then return {'conflict'} end
  local since = redis.call('ZSCORE', KEYS[6], owner)
  if not since then return {durable, record} end
  -- Only the same content may be produced again under the earlier code.
  if not same or now - tonumber(since) < tonumber(ARGV[3]) then return {'inflight', record} end
  redis.call('ZADD', KEYS[6], ARGV[1], owner)
  return {'resume', record}
end

-- The current plan and its period; nil when there is none.
local function current()
  for from, to, id in string.gmatch(redis.call('HGET', KEYS[2], 'w') or '', '(%d+),(%d+),([^;]*);') do
    if tonumber(from) <= now and now < tonumber(to) then return id, from end
  end
end

local function accept(code, resource, units, head, doc, digest, text, key, dups)
  -- The client library sends a script again when its answer was lost: what is done stays done.
  local mine = redis.call('GET', prefix .. 't:' .. code)
  if mine then return {'new', string.match(mine, '^%d+', #head + 1)} end
  if key ~= '' then
    local owner = redis.call('GET', prefix .. 'i:' .. key)
    local found = owner and earlier(owner, digest, 'existing', true)
    if found then return found end
  end
  if #dups > 0 then
    for _, owner in ipairs(redis.call('HMGET', KEYS[5], unpack(dups))) do
      local found = owner and earlier(owner, digest, 'duplicate', false)
      if found then return found end
    end
  end

  local period = ''
  if resource ~= '' then
    local plan
    plan, period = current()
    if not plan then return {'noplan'} end
    local limit = tonumber(redis.call('HGET', KEYS[2], 'l:' .. plan .. ':' .. resource) or 0)
    local held = period .. ':h:' .. resource
    if limit >= 0 then
      local sums = redis.call('HMGET', KEYS[3], period .. ':u:' .. resource, held)
      local left = limit - tonumber(sums[1] or 0) - tonumber(sums[2] or 0)
      if tonumber(units) > left then return {'quota', tostring(left)} end
    end
    if units ~= '0' then redis.call('HINCRBY', KEYS[3], held, units) end
  end

  local id = string.format('%d', redis.call('HINCRBY', KEYS[4], 'task', 1))
  redis.call('SET', prefix .. 't:' .. code, head .. id .. ',' .. period .. doc)
  redis.call('ZADD', KEYS[6], ARGV[1], code)
  if text ~= '' then redis.call('SET', prefix .. 'x:' .. code, text, 'PX', ARGV[4]) end
  if key ~= '' then redis.call('SET', prefix .. 'i:' .. key, code, 'PX', ARGV[5]) end
  if #dups > 0 then
    local owned = {}
    for _, field in ipairs(dups) do owned[#owned + 1], owned[#owned + 2] = field, code end
    redis.call('HSET', KEYS[5], unpack(owned))
  end
  return {'new', id}
end

local answers, i = {}, 6
while i <= #ARGV do
  local dups = {}
  for j = 1, tonumber(ARGV[i + 8]) do dups[j] = ARGV[i + 8 + j] end
  answers[#answers + 1] = accept(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], ARGV[i + 6], ARGV[i + 7], dups)
  i = i + 9 + #dups
end
return answers
