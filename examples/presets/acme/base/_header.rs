// Copyright Acme Ltd. All rights reserved.
// SPDX-License-Identifier: LicenseRef-Acme

