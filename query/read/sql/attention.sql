-- The conversations that are risky, unresolved or unhappy (the customer is, at CSAT 4 and below), those first that are so in
-- more ways, then the lowest scores (those without one last), then the newest.
WITH {{template "score.sql"}},
    arrayExists(i -> i != 1, risk_signal_ids) AS risky, resolved_status_id = 3 AS open, ifNull(csat <= 4, 0) OR sentiment = 'negative' AS unhappy
SELECT code
{{template "conversations.sql"}}
    AND (risky OR open OR unhappy)
ORDER BY risky + open + unhappy DESC, parts = 0, score, toUInt128(code) DESC
LIMIT {limit:UInt64}
