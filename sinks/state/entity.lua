-- One version of an entity, unless a newer one is there.
-- KEYS 1 ready, 2 entities of the kind, 3 ids, 4 plan, 5 users, 6 orgs, 7 addresses of users by id
-- ARGV 1 epoch ('' = any), 2 kind, 3 id, 4 version, 5 value, 6 organisation,
--      7 e-mail of a live user ('' = none), 8.. of a live plan: "from,to" in ms, then resource, limit, ...
-- Answer 1 written, 0 not newer, -1 when the state is not built
-- The plan hash holds l:ID:RESOURCE -> limit, w:ID -> "from,to", and w -> "from,to,ID;…" of
-- all plans, the latest first, so that Accept finds the current one with one read.
local epoch = redis.call('GET', KEYS[1])
if not epoch or (ARGV[1] ~= '' and ARGV[1] ~= epoch) then return -1 end
local kind, id = ARGV[2], ARGV[3]
local old = redis.call('HGET', KEYS[2], id)
if old and tonumber(string.match(old, '^%d+')) >= tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[2], id, ARGV[5])
redis.call('SADD', KEYS[6], ARGV[6])
if string.match(id, '^%d+$') and #id < 16 and tonumber(redis.call('HGET', KEYS[3], kind) or 0) < tonumber(id) then
  redis.call('HSET', KEYS[3], kind, id)
end

if kind == 'user' then
  local me, email = ARGV[6] .. '/' .. id, redis.call('HGET', KEYS[7], id)
  if email and email ~= ARGV[7] and redis.call('HGET', KEYS[5], email) == me then redis.call('HDEL', KEYS[5], email) end
  if ARGV[7] == '' then
    redis.call('HDEL', KEYS[7], id)
  else
    redis.call('HSET', KEYS[7], id, ARGV[7])
    redis.call('HSETNX', KEYS[5], ARGV[7], me)
  end
end

if kind == 'plan' then
  local mine = 'l:' .. id .. ':'
  for _, field in ipairs(redis.call('HKEYS', KEYS[4])) do
    if field == 'w:' .. id or string.sub(field, 1, #mine) == mine then redis.call('HDEL', KEYS[4], field) end
  end
  if ARGV[8] then
    redis.call('HSET', KEYS[4], 'w:' .. id, ARGV[8])
    for i = 9, #ARGV, 2 do redis.call('HSET', KEYS[4], mine .. ARGV[i], ARGV[i + 1]) end
  end
  local windows = {}
  local all = redis.call('HGETALL', KEYS[4])
  for i = 1, #all, 2 do
    local of = string.match(all[i], '^w:(.*)$')
    if of then windows[#windows + 1] = {tonumber(string.match(all[i + 1], '^%d+')), of, all[i + 1]} end
  end
  table.sort(windows, function(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end)
  for i, w in ipairs(windows) do windows[i] = w[3] .. ',' .. w[2] .. ';' end
  redis.call('HSET', KEYS[4], 'w', table.concat(windows))
end
return 1
