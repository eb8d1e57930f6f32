# With a key of your own, each of Google's services has to be let at it. Functions need four of them: docs of Cloud Run
# functions, "Protect your function with CMEK".
#
# What the key does not cover is the topic that Eventarc makes for itself: its messages hold names of objects, which are
# ids of ours.

resource "google_kms_crypto_key_iam_member" "agents" {
  for_each = var.kms_key == "" ? {} : local.agents

  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value

  depends_on = [google_project_service.this]
}
