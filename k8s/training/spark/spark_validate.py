"""What the check of reviews asks, over data that outgrows one machine: rows, missing values, ratings, duplicates.

    spark-submit spark_validate.py SOURCE RESULT

SOURCE is Parquet (a directory or s3a://…); RESULT becomes a directory with one line of JSON. Ends with 3 when a
rule is broken, as the step `validate` does.
"""

import json
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

COMPLETE = ("review_id", "star_rating", "review_body")


def measure(reviews):
    """One pass for everything but the distinct ids, which need a shuffle."""
    counts = [F.count(F.lit(1)).alias("rows"), F.countDistinct("review_id").alias("distinct_ids")]
    counts += [F.count(F.when(F.col(name).isNull(), 1)).alias(f"missing_{name}") for name in COMPLETE]
    counts += [F.count(F.when(~F.col("star_rating").between(1, 5), 1)).alias("impossible_ratings")]
    return reviews.agg(*counts).first().asDict()


def broken_rules(found):
    """The rules that the figures break, as sentences."""
    missing = {name: found[f"missing_{name}"] for name in COMPLETE}
    rules = {f"{name} is missing in {count} rows": count == 0 for name, count in missing.items()}
    rules["there are no rows"] = found["rows"] > 0
    rules[f"{found['impossible_ratings']} ratings lie outside 1 to 5"] = found["impossible_ratings"] == 0
    present = found["rows"] - found["missing_review_id"]
    rules[f"{present - found['distinct_ids']} review ids appear again"] = present == found["distinct_ids"]
    return [text for text, kept in rules.items() if not kept]


def main(source, result):
    """Measure, write the result, and give the exit code."""
    spark = SparkSession.builder.appName("intermodal validate").getOrCreate()
    found = measure(spark.read.parquet(source))
    broken = broken_rules(found)
    line = json.dumps({**found, "broken": broken})
    spark.createDataFrame([(line,)], "value string").coalesce(1).write.mode("overwrite").text(result)
    print(line)
    spark.stop()
    return 3 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
