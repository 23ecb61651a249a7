# A slice: the picture with its lesions, the mask at another threshold, the figures.
curl --fail-with-body -F file=@slice.png "$SERVER/predict" -o overlay.png
curl --fail-with-body -F file=@slice.png "$SERVER/predict?output=mask&threshold=0.4" -o mask.png
curl --fail-with-body -F file=@slice.png -H 'Accept: application/json' "$SERVER/predict" -o answer.json
