"""What a picture shows, before anybody asks where its lesions are: a chest CT, or something else."""
