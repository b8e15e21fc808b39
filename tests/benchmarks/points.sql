-- Points of each merchant from the columns of all segments, and nothing more: no growth or pair caps, no closings, no
-- retractions, no verdicts, no months. Each order is taken to have one payment, one receipt and one review, and to be
-- cleared by any clear: exact firsts (arg_min by instant and position) take twice as long. One key of both numbers, or
-- CASE in the place of FILTER, is no faster. FILES and AS_OF are filled in; a file holds all of its merchants.
WITH orders AS (
    SELECT
        file_index,
        subject,
        "key",
        max(amount) FILTER (what = 4) AS amount,
        max(detail) FILTER (what = 4) AS kind,
        min("at") FILTER (what = 5) AS received,
        min("at") FILTER (what = 10) AS reviewed,
        max(detail) FILTER (what = 10) AS stars,
        max(what) FILTER (what IN (6, 7)) AS flag
    FROM read_parquet(FILES)
    WHERE what IN (4, 5, 6, 7, 10) AND ("at" <= AS_OF OR what IN (6, 7))
    GROUP BY file_index, subject, "key"
),
entries AS (
    SELECT
        file_index,
        subject,
        CASE
            WHEN reviewed IS NOT NULL AND (received IS NULL OR reviewed < received + 1296000000000)
                THEN CASE WHEN stars >= 4 THEN 10 WHEN stars = 3 THEN 0 ELSE -10 END
            WHEN received + 1296000000000 <= AS_OF THEN 7
            ELSE 0
        END AS tenths
    FROM orders
    WHERE amount >= 500 AND kind = 0 AND coalesce(flag, 7) = 7
)
SELECT file_index, subject, sum(tenths) AS tenths FROM entries GROUP BY file_index, subject
