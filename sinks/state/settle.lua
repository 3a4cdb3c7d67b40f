-- Writes task records that were merged in Go: each only if it is still the
-- one that was read, together with everything that hangs on it.
-- KEYS 1 ready, 2 ledger, 3 ids, 4 dup, 5 accepting, 6 reports
-- ARGV 1 epoch ('' = any), 2 key prefix, then for each task: code, revision that was read
--      ('' = there was none), record ('' = remove), number of steps, and for each step three values
-- Answer: numbers (from 1) of the tasks that had changed meanwhile, {-1} when the state is not built
local epoch = redis.call('GET', KEYS[1])
if not epoch or (ARGV[1] ~= '' and ARGV[1] ~= epoch) then return {-1} end
local prefix, sums, behind = ARGV[2], {}, {}
local i, n = 3, 0
while i <= #ARGV do
  local code, revision, record, steps = ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3])
  local key = prefix .. 't:' .. code
  i, n = i + 4, n + 1
  if redis.call('GETRANGE', key, 0, 11) ~= revision then
    behind[#behind + 1] = n
  else
    if record == '' then
      redis.call('DEL', key, prefix .. 'x:' .. code)
    else
      redis.call('SET', key, record)
    end
    for j = i, i + 3 * (steps - 1), 3 do
      local step, a, b = ARGV[j], ARGV[j + 1], ARGV[j + 2]
      if step == 'ledger' then
        sums[a] = (sums[a] or 0) + tonumber(b)
      elseif step == 'durable' then
        redis.call('ZREM', KEYS[5], code)
      elseif step == 'claim' then -- the earliest task owns a key: codes are UUIDv7
        local owner = redis.call('HGET', KEYS[4], a)
        if not owner or owner > code then redis.call('HSET', KEYS[4], a, code) end
      elseif step == 'free' then
        if redis.call('HGET', KEYS[4], a) == code then redis.call('HDEL', KEYS[4], a) end
      elseif step == 'claimkey' then
        local owner = redis.call('GET', prefix .. 'i:' .. a)
        if not owner or owner > code then redis.call('SET', prefix .. 'i:' .. a, code, 'PX', b) end
      elseif step == 'freekey' then
        if redis.call('GET', prefix .. 'i:' .. a) == code then redis.call('DEL', prefix .. 'i:' .. a) end
      elseif step == 'report' then
        redis.call('HSET', KEYS[6], code, a)
      elseif step == 'id' then
        if tonumber(redis.call('HGET', KEYS[3], 'task') or 0) < tonumber(a) then redis.call('HSET', KEYS[3], 'task', a) end
      end
    end
  end
  i = i + 3 * steps
end
for field, units in pairs(sums) do
  if units ~= 0 then redis.call('HINCRBY', KEYS[2], field, string.format('%d', units)) end
end
return behind
