-- Measures in millionths, and the sum of none.
x -> toInt64(round(x * 1000000)) AS micro, x -> toInt64(ifNull(x, 0)) AS known
