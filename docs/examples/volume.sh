# A volume: wait for its mask, or take the address of its job and look there.
curl --fail-with-body -F file=@scan.nii.gz "$SERVER/predict?wait=1&output=mask" -o mask.nii.gz
curl --fail-with-body -F file=@scan.nii.gz "$SERVER/predict" -o job.json
