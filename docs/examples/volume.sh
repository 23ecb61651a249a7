# A volume: take the address of its job and look there, or wait for its mask.
SERVER=${SERVER:-http://127.0.0.1:8000}
KEY="Authorization:${GROUNDGLASS_KEY:+ Bearer $GROUNDGLASS_KEY}"
curl --fail-with-body -H "$KEY" -F file=@scan.nii.gz "$SERVER/predict" -o job.json
status=$(curl -H "$KEY" -F file=@scan.nii.gz "$SERVER/predict?wait=1&output=mask" -o answer -w '%{http_code}')
case $status in
  200) mv answer mask.nii.gz ;;
  202) mv answer job.json ;;  # no place to wait, or it takes longer than ten minutes: it is read, ask its job again
  *) cat answer; false ;;
esac
