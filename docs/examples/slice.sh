# A slice: the picture with its lesions, the mask at another threshold, the figures.
SERVER=${SERVER:-http://127.0.0.1:8000}
KEY="Authorization:${GROUNDGLASS_KEY:+ Bearer $GROUNDGLASS_KEY}"
curl --fail-with-body -H "$KEY" -F file=@slice.png "$SERVER/predict" -o overlay.png
curl --fail-with-body -H "$KEY" -F file=@slice.png "$SERVER/predict?output=mask&threshold=0.4" -o mask.png
curl --fail-with-body -H "$KEY" -F file=@slice.png -H 'Accept: application/json' "$SERVER/predict" -o answer.json
