variable "name" {
  description = "Prefix of every name, and the one that SageMaker jobs must begin with."
  type        = string
  default     = "intermodal"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.name))
    error_message = "Two to twenty lower-case letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "AWS region of everything."
  type        = string
  default     = "eu-central-1"
}

variable "bucket" {
  description = "Name of the bucket; empty for NAME-ACCOUNT-REGION."
  type        = string
  default     = ""
}

variable "tags" {
  description = "Tags of everything, besides Project."
  type        = map(string)
  default     = {}
}

variable "image_families" {
  description = "One ECR repository for each, NAME/FAMILY."
  type        = set(string)
  default     = ["core", "spark", "torch", "tensorflow", "serve", "mlflow"]
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, a /16; each zone gets a public /20 and a private /20."
  type        = string
  default     = "10.20.0.0/16"
}

variable "zones" {
  description = "Availability zones, at least two; EKS asks for that."
  type        = list(string)
  default     = ["eu-central-1a", "eu-central-1b"]
  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 8
    error_message = "Two to eight zones."
  }
}

variable "kubernetes_version" {
  description = "Version of EKS."
  type        = string
  default     = "1.32"
}

variable "api_cidrs" {
  description = "Addresses from which the Kubernetes API is reached from outside; none makes it private to the VPC."
  type        = list(string)
  default     = []
  validation {
    condition     = !contains(var.api_cidrs, "0.0.0.0/0")
    error_message = "The whole internet is not an address range to open the API to."
  }
}

variable "cluster_admins" {
  description = "ARNs of IAM roles whose holders administer the cluster."
  type        = set(string)
  default     = []
}

variable "cpu_nodes" {
  description = "The group for everything but training on GPUs."
  type        = object({ types = list(string), min = number, max = number, disk_gib = number })
  default     = { types = ["m6i.2xlarge", "m6a.2xlarge"], min = 2, max = 8, disk_gib = 100 }
}

variable "gpu_nodes" {
  description = "The group of spot GPUs, tainted nvidia.com/gpu; with min = 0 it costs nothing while nobody trains."
  type        = object({ types = list(string), min = number, max = number, disk_gib = number })
  default     = { types = ["g5.2xlarge", "g6.2xlarge"], min = 0, max = 4, disk_gib = 200 }
}

variable "addons" {
  description = "EKS add-ons. vpc-cni enforces NetworkPolicies; without them the manifests' rules are only words."
  type        = set(string)
  default     = ["vpc-cni", "coredns", "kube-proxy", "aws-ebs-csi-driver", "eks-pod-identity-agent"]
}

variable "identity" {
  description = "How pods get their role: irsa (an annotation) or pod-identity (an association in AWS)."
  type        = string
  default     = "irsa"
  validation {
    condition     = contains(["irsa", "pod-identity"], var.identity)
    error_message = "irsa or pod-identity."
  }
}

variable "submitters" {
  description = "ARNs of the roles and users who may take the submitter role: CI, a data scientist's laptop."
  type        = set(string)
  default     = []
}

variable "database_host" {
  description = "Host of the PostgreSQL server that MLflow uses (RDS or your own)."
  type        = string
  default     = "intermodal.example.internal"
}

variable "mlflow_hosts" {
  description = "Public names of the MLflow server, such as mlflow.example.com; the in-cluster ones are added."
  type        = list(string)
  default     = []
}

variable "keep_versions_days" {
  description = "How long versions of objects that were overwritten or deleted are kept."
  type        = number
  default     = 30
}
