-- Keeps how far the log is applied, if the state is still the one it was applied to.
-- KEYS 1 ready, 2 offsets
-- ARGV 1 epoch, then field, offset as this process left it ('' = it has not), next offset
-- Answer 1 done, 0 the state is another one, -1 offsets went backwards: Redis came back with old data
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 3 do
  local now = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or -1)
  if ARGV[i + 1] ~= '' and now < tonumber(ARGV[i + 1]) then return -1 end
end
for i = 2, #ARGV, 3 do
  local now = tonumber(redis.call('HGET', KEYS[2], ARGV[i]) or -1)
  if now < tonumber(ARGV[i + 2]) then redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 2]) end
end
return 1
