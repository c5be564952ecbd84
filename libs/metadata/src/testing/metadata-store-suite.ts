import { afterAll, beforeAll, describe } from '@jest/globals';
import { blobCases } from './blob-cases.js';
import { bucketCases } from './bucket-cases.js';
import { conditionCases } from './condition-cases.js';
import { listingCases } from './listing-cases.js';
import { modelCases } from './model-cases.js';
import { multipartCases } from './multipart-cases.js';
import type { MakeStores, StoresUnderTest, SuiteContext } from './store-under-test.js';
import { versionCases } from './version-cases.js';

/** The contract of MetadataStore. Every adapter runs it. */
export function describeMetadataStore(name: string, makeStores: MakeStores): void {
  describe(`${name} as a MetadataStore`, () => {
    let underTest: StoresUnderTest | undefined;
    beforeAll(async () => {
      underTest = await makeStores();
    });
    afterAll(() => underTest?.dispose());

    const at = (index: 0 | 1) => {
      if (underTest === undefined) throw new Error('The suite has no store.');
      return underTest.stores[index];
    };
    const context: SuiteContext = { store: () => at(0), other: () => at(1) };
    describe('buckets', () => bucketCases(context));
    describe('versions', () => versionCases(context));
    describe('preconditions and commits', () => conditionCases(context));
    describe('blobs', () => blobCases(context));
    describe('listings', () => listingCases(context));
    describe('multipart uploads', () => multipartCases(context));
    describe('against a model', () => modelCases(context));
  });
}
