/**
 * What Intel's ISA-L 2.30.0 makes of the same bytes: its `gf_gen_cauchy1_matrix`, each column divided
 * by its first parity coefficient (`gf_mul`, `gf_inv`), then `ec_init_tables` and
 * `ec_encode_data_base`. Data shard j is `sampleBytes(32, j)`.
 */
export const KNOWN_ANSWERS = [
  {
    dataShards: 4,
    data: [
      '05048ba2e81c7e8c98c80abef712b37565f567f3fea96c7f496cac2716da4f01',
      '0aec7e0c07984adbe57ab0b5118fcbc16d847b39896f5a7d97f1e3b924e2886a',
      '10d472762513152a322b57ac2a0ce40d7513907e1535477ae4771a4c32eac0d2',
      '15bc65e0448fe1787fddfea3448afd587da2a4c3a0fb357831fd50de40f1f93a',
    ],
    parity: [
      '0a80e2388e18c00530441304881b61e100c02877c20844000b17050c4023fe83',
      '949f49382d90176e73512c1cb9a34ee055a8b3460484e7c6233184812d5c3643',
    ],
  },
  {
    dataShards: 2,
    data: [
      '05048ba2e81c7e8c98c80abef712b37565f567f3fea96c7f496cac2716da4f01',
      '0aec7e0c07984adbe57ab0b5118fcbc16d847b39896f5a7d97f1e3b924e2886a',
    ],
    parity: ['0fe8f5aeef8434577db2ba0be69d78b408711cca77c63602de9d4f9e3238c76b'],
  },
  {
    dataShards: 8,
    data: [
      '05048ba2e81c7e8c98c80abef712b37565f567f3fea96c7f496cac2716da4f01',
      '0aec7e0c07984adbe57ab0b5118fcbc16d847b39896f5a7d97f1e3b924e2886a',
      '10d472762513152a322b57ac2a0ce40d7513907e1535477ae4771a4c32eac0d2',
      '15bc65e0448fe1787fddfea3448afd587da2a4c3a0fb357831fd50de40f1f93a',
      '1ba4594a620aacc7cb8ea49a5e0715a48532b8082cc223757f8287704ff931a2',
      '218c4cb38086781618404b9278842ef08ec1cc4db8881173cc08bd025d016a0a',
      '2674401d9f01436565f1f2899201473b9650e093434efe701a8df4946b09a373',
      '2c5c3387bd7d0fb4b2a39880ac7e60879edff4d8cf14ec6e67132b277911dbdb',
    ],
    parity: [
      '3a80845b4ee8580534d8960590e77d0903bc4879da186418c503e0cd40c3dd83',
      'd3d9ce63359c5cb5cad541823e3c70772adb72a7458a9edbbb8c62f57dbb11b5',
      'df33a675ee7bb42fa2276e03e5e40b6dba7f718044de00ba9b7991c79bf8d0b9',
    ],
  },
];
