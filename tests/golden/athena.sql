CREATE DATABASE IF NOT EXISTS `reviews`;

CREATE EXTERNAL TABLE IF NOT EXISTS `reviews`.`raw` (
  `marketplace` string,
  `customer_id` string,
  `review_id` string,
  `product_id` string,
  `product_parent` string,
  `product_title` string,
  `product_category` string,
  `star_rating` string,
  `helpful_votes` string,
  `total_votes` string,
  `vine` string,
  `verified_purchase` string,
  `review_headline` string,
  `review_body` string,
  `review_date` string,
  `intermodal_surplus` string
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES ('field.delim' = '\t', 'line.delim' = '\n', 'serialization.format' = '\t', 'serialization.null.format' = '\t')
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat' OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://bucket/raw/'
TBLPROPERTIES ('classification' = 'csv', 'skip.header.line.count' = '1');

ALTER TABLE `reviews`.`typed` ADD IF NOT EXISTS
PARTITION (`product_category` = 'it\'s; "x"') LOCATION 's3://bucket/typed/0/'
PARTITION (`product_category` = 'Bücher') LOCATION 's3://bucket/typed/1/';

MSCK REPAIR TABLE `reviews`.`typed`;

DROP TABLE IF EXISTS `reviews`.`typed`;

SELECT source, category, reason, count(*) AS number
FROM (
  SELECT "$path" AS source, nullif("product_category", '') AS category,
    CASE WHEN "review_date" IS NULL OR "intermodal_surplus" IS NOT NULL THEN 'column_count' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END IS NULL THEN 'rating_not_integer' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END NOT BETWEEN 1 AND 5 THEN 'rating_out_of_range' WHEN CASE WHEN regexp_like("helpful_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("helpful_votes", '\.0$', '') AS integer) END IS NULL OR CASE WHEN regexp_like("total_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("total_votes", '\.0$', '') AS integer) END IS NULL THEN 'votes_not_integer' WHEN CASE WHEN regexp_like("review_date", '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') AND "review_date" >= '0001' THEN try_cast("review_date" AS date) END IS NULL THEN 'date_not_iso' END AS reason
  FROM "reviews"."raw"
) AS judged
GROUP BY source, category, reason
ORDER BY source, category, reason;

CREATE TABLE "reviews"."typed"
WITH (
  format = 'PARQUET',
  write_compression = 'ZSTD',
  partitioned_by = ARRAY['product_category']
)
AS SELECT
  nullif("marketplace", '') AS "marketplace",
  nullif("customer_id", '') AS "customer_id",
  nullif("review_id", '') AS "review_id",
  nullif("product_id", '') AS "product_id",
  nullif("product_parent", '') AS "product_parent",
  nullif("product_title", '') AS "product_title",
  CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END AS "star_rating",
  CASE WHEN regexp_like("helpful_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("helpful_votes", '\.0$', '') AS integer) END AS "helpful_votes",
  CASE WHEN regexp_like("total_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("total_votes", '\.0$', '') AS integer) END AS "total_votes",
  nullif("vine", '') AS "vine",
  nullif("verified_purchase", '') AS "verified_purchase",
  nullif("review_headline", '') AS "review_headline",
  nullif("review_body", '') AS "review_body",
  CASE WHEN regexp_like("review_date", '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') AND "review_date" >= '0001' THEN try_cast("review_date" AS date) END AS "review_date",
  nullif("product_category", '') AS "product_category"
FROM "reviews"."raw"
WHERE (CASE WHEN "review_date" IS NULL OR "intermodal_surplus" IS NOT NULL THEN 'column_count' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END IS NULL THEN 'rating_not_integer' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END NOT BETWEEN 1 AND 5 THEN 'rating_out_of_range' WHEN CASE WHEN regexp_like("helpful_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("helpful_votes", '\.0$', '') AS integer) END IS NULL OR CASE WHEN regexp_like("total_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("total_votes", '\.0$', '') AS integer) END IS NULL THEN 'votes_not_integer' WHEN CASE WHEN regexp_like("review_date", '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') AND "review_date" >= '0001' THEN try_cast("review_date" AS date) END IS NULL THEN 'date_not_iso' END) IS NULL
  AND ("product_category" IN ('it''s; "x"') OR nullif("product_category", '') IS NULL);

CREATE TABLE "reviews"."refused"
WITH (
  format = 'PARQUET',
  write_compression = 'ZSTD',
  external_location = 's3://bucket/refused/'
)
AS SELECT source, reason, raw
FROM (
  SELECT "$path" AS source, CASE WHEN "review_date" IS NULL OR "intermodal_surplus" IS NOT NULL THEN 'column_count' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END IS NULL THEN 'rating_not_integer' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END NOT BETWEEN 1 AND 5 THEN 'rating_out_of_range' WHEN CASE WHEN regexp_like("helpful_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("helpful_votes", '\.0$', '') AS integer) END IS NULL OR CASE WHEN regexp_like("total_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("total_votes", '\.0$', '') AS integer) END IS NULL THEN 'votes_not_integer' WHEN CASE WHEN regexp_like("review_date", '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') AND "review_date" >= '0001' THEN try_cast("review_date" AS date) END IS NULL THEN 'date_not_iso' END AS reason,
    substr(concat_ws(chr(9), "marketplace", "customer_id", "review_id", "product_id", "product_parent", "product_title", "product_category", "star_rating", "helpful_votes", "total_votes", "vine", "verified_purchase", "review_headline", "review_body", "review_date", "intermodal_surplus"), 1, 2000) AS raw
  FROM "reviews"."raw"
) AS judged
WHERE reason IS NOT NULL;

INSERT INTO "reviews"."typed"
SELECT
  nullif("marketplace", '') AS "marketplace",
  nullif("customer_id", '') AS "customer_id",
  nullif("review_id", '') AS "review_id",
  nullif("product_id", '') AS "product_id",
  nullif("product_parent", '') AS "product_parent",
  nullif("product_title", '') AS "product_title",
  CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END AS "star_rating",
  CASE WHEN regexp_like("helpful_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("helpful_votes", '\.0$', '') AS integer) END AS "helpful_votes",
  CASE WHEN regexp_like("total_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("total_votes", '\.0$', '') AS integer) END AS "total_votes",
  nullif("vine", '') AS "vine",
  nullif("verified_purchase", '') AS "verified_purchase",
  nullif("review_headline", '') AS "review_headline",
  nullif("review_body", '') AS "review_body",
  CASE WHEN regexp_like("review_date", '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') AND "review_date" >= '0001' THEN try_cast("review_date" AS date) END AS "review_date",
  nullif("product_category", '') AS "product_category"
FROM "reviews"."raw"
WHERE (CASE WHEN "review_date" IS NULL OR "intermodal_surplus" IS NOT NULL THEN 'column_count' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END IS NULL THEN 'rating_not_integer' WHEN CASE WHEN regexp_like("star_rating", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("star_rating", '\.0$', '') AS integer) END NOT BETWEEN 1 AND 5 THEN 'rating_out_of_range' WHEN CASE WHEN regexp_like("helpful_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("helpful_votes", '\.0$', '') AS integer) END IS NULL OR CASE WHEN regexp_like("total_votes", '^[+-]?[0-9]+(\.0)?$') THEN try_cast(regexp_replace("total_votes", '\.0$', '') AS integer) END IS NULL THEN 'votes_not_integer' WHEN CASE WHEN regexp_like("review_date", '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') AND "review_date" >= '0001' THEN try_cast("review_date" AS date) END IS NULL THEN 'date_not_iso' END) IS NULL;

SELECT coalesce(product_category, '(none)') AS product_category, date_format(review_date, '%Y-%m') AS month, star_rating,
  count(*) AS number, sum(CASE WHEN verified_purchase = 'Y' THEN 1 ELSE 0 END) AS verified
FROM "reviews"."typed"
GROUP BY 1, 2, 3;

SELECT CASE WHEN review_body IS NOT NULL THEN cardinality(regexp_extract_all(replace(review_body, '<br />', ' '), '[^	
                  　]+')) END AS length, star_rating, count(*) AS number
FROM "reviews"."typed"
GROUP BY 1, 2;

SELECT length(review_body) AS length, count(*) AS number
FROM "reviews"."typed"
GROUP BY 1;

SELECT helpful_votes AS length, star_rating, count(*) AS number, sum(total_votes) AS total
FROM "reviews"."typed"
GROUP BY 1, 2;

SELECT product_id, count(*) AS number, sum(star_rating) AS stars, max(product_title) AS title
FROM "reviews"."typed"
GROUP BY product_id
ORDER BY number DESC, product_id ASC
LIMIT 10;

SELECT number, count(*) AS products
FROM (
SELECT product_id, count(*) AS number, sum(star_rating) AS stars, max(product_title) AS title
FROM "reviews"."typed"
GROUP BY product_id
) AS counted
GROUP BY number;

SELECT
  count(*) AS number,
  sum(CASE WHEN "marketplace" IS NULL THEN 1 ELSE 0 END) AS null_0,
  sum(CASE WHEN regexp_like("marketplace", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_0,
  sum(CASE WHEN "customer_id" IS NULL THEN 1 ELSE 0 END) AS null_1,
  sum(CASE WHEN regexp_like("customer_id", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_1,
  sum(CASE WHEN "review_id" IS NULL THEN 1 ELSE 0 END) AS null_2,
  sum(CASE WHEN regexp_like("review_id", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_2,
  sum(CASE WHEN "product_id" IS NULL THEN 1 ELSE 0 END) AS null_3,
  sum(CASE WHEN regexp_like("product_id", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_3,
  sum(CASE WHEN "product_parent" IS NULL THEN 1 ELSE 0 END) AS null_4,
  sum(CASE WHEN regexp_like("product_parent", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_4,
  sum(CASE WHEN "product_title" IS NULL THEN 1 ELSE 0 END) AS null_5,
  sum(CASE WHEN regexp_like("product_title", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_5,
  sum(CASE WHEN "product_category" IS NULL THEN 1 ELSE 0 END) AS null_6,
  sum(CASE WHEN regexp_like("product_category", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_6,
  sum(CASE WHEN "star_rating" IS NULL THEN 1 ELSE 0 END) AS null_7,
  sum(CASE WHEN "helpful_votes" IS NULL THEN 1 ELSE 0 END) AS null_8,
  sum(CASE WHEN regexp_like("helpful_votes", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_8,
  sum(CASE WHEN "total_votes" IS NULL THEN 1 ELSE 0 END) AS null_9,
  sum(CASE WHEN regexp_like("total_votes", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_9,
  sum(CASE WHEN "vine" IS NULL THEN 1 ELSE 0 END) AS null_10,
  sum(CASE WHEN regexp_like("vine", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_10,
  sum(CASE WHEN "verified_purchase" IS NULL THEN 1 ELSE 0 END) AS null_11,
  sum(CASE WHEN regexp_like("verified_purchase", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_11,
  sum(CASE WHEN "review_headline" IS NULL THEN 1 ELSE 0 END) AS null_12,
  sum(CASE WHEN regexp_like("review_headline", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_12,
  sum(CASE WHEN "review_body" IS NULL THEN 1 ELSE 0 END) AS null_13,
  sum(CASE WHEN regexp_like("review_body", '^[	
                  　]*$') THEN 1 ELSE 0 END) AS blank_13,
  sum(CASE WHEN "review_date" IS NULL THEN 1 ELSE 0 END) AS null_14,
  min(review_date) AS first_day,
  max(review_date) AS last_day,
  count(DISTINCT customer_id) AS customers
FROM "reviews"."typed";

COPY "public"."reviews" FROM 's3://bucket/it''s/' IAM_ROLE 'arn:aws:iam::123456789012:role/reader' FORMAT AS PARQUET;

UNLOAD ('SELECT ''it''''s'' AS a') TO 's3://bucket/out/' IAM_ROLE DEFAULT FORMAT AS PARQUET PARTITION BY ("a") INCLUDE ALLOWOVERWRITE;

CREATE EXTERNAL SCHEMA IF NOT EXISTS "spectrum" FROM DATA CATALOG DATABASE 'reviews' IAM_ROLE DEFAULT;
