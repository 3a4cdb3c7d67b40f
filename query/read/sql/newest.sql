-- Newest conversations are found by their codes as numbers, which grow with time: bitNot turns their order round. code_of makes
-- a code of such a number again (a UUID has its second half first).
n -> reinterpretAsUUID(bitOr(bitShiftLeft(bitNot(n), 64), bitShiftRight(bitNot(n), 64))) AS code_of
